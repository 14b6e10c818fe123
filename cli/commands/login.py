"""`wic login` and `wic logout`: sign in at the WAF for an account, and sign out."""

from __future__ import annotations

import asyncio
import time
import webbrowser
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from wic.accounts import Account
from wic.client.web.store import TokenStore
from wic.errors import ConfigurationError

from ..execution import exit_with, run_async
from ..exit_codes import ExitCode
from ..help import HelpCommand, examples, option
from ..options import CommonOptions, accounts_option, common_options_without_sip

if TYPE_CHECKING:
    from pathlib import Path

    from wic.accounts import WebAuthorization
    from wic.client.web.device import UserCode
    from wic.oauth.tokens import AccessToken

    from ..console import Console


@click.command(cls=HelpCommand, epilog=examples("wic login carol", "wic login carol --device"))
@click.argument("account")
@option("--no-browser", is_flag=True, help="Print the URL instead of opening a browser.")
@option("--device", is_flag=True, help="Print a URL and a code for signing in on another device.")
@accounts_option
@common_options_without_sip
def login(common: CommonOptions, accounts: Path | None, account: str, no_browser: bool, device: bool) -> None:
    """Sign in for ACCOUNT and store its access token.

    Opens the sign-in page of the WAF in a browser. The token is kept in this user's state directory and refreshed when needed, until `wic logout`.
    """
    if no_browser and device:
        raise click.UsageError("--no-browser and --device exclude each other.")
    console = common.console

    async def work() -> ExitCode:
        from wic.client.web.sign_in import sign_in_by_browser, sign_in_by_device  # an HTTP client: loaded when needed

        web = _web(account, accounts)
        with console.progress("Waiting for the sign-in"):
            if device:
                token = await sign_in_by_device(web, TokenStore(), show=lambda code: _show_code(console, code))
            else:
                token = await sign_in_by_browser(
                    web, TokenStore(), show=lambda url: _show_url(console, url, open_it=not no_browser)
                )
        _show_token(console, account, token)
        return ExitCode.DONE

    exit_with(run_async(work, console))


@click.command(cls=HelpCommand, epilog=examples("wic logout carol"))
@click.argument("account")
@accounts_option
@common_options_without_sip
def logout(common: CommonOptions, accounts: Path | None, account: str) -> None:
    """Revoke and delete the access token of ACCOUNT."""

    async def work() -> ExitCode:
        from wic.client.web.sign_in import sign_out  # an HTTP client: loaded when needed

        was_in = await sign_out(_web(account, accounts), TokenStore())
        common.console.document({"state": "signed-out", "account": account, "was_signed_in": was_in})
        common.console.say(f"{account} is signed out." if was_in else f"{account} was not signed in.")
        return ExitCode.DONE

    exit_with(run_async(work, common.console))


def _web(name: str, accounts: Path | None) -> WebAuthorization:
    web = Account.load(name, accounts).web
    if web is None:
        raise ConfigurationError(f'Account {name!r} does not use access tokens: it has no auth = "bearer".')
    return web


def _show_url(console: Console, url: str, *, open_it: bool) -> None:
    console.document({"state": "waiting", "url": url})
    # On this machine: the browser comes back to a port on loopback (RFC 8252 §7.3).
    console.say("Sign in with your browser:" if open_it else "Open this address in a browser on this machine:")
    console.say(f"  {url}")
    if open_it:
        asyncio.get_running_loop().run_in_executor(None, _open, console, url)  # a text browser would block the loop


def _open(console: Console, url: str) -> None:
    with suppress(webbrowser.Error):
        if webbrowser.open(url):
            return
    console.say("No browser could be started: open the address on this machine, or use --device.")


def _show_code(console: Console, code: UserCode) -> None:
    console.document(
        {
            "state": "waiting",
            "url": code.url,
            "url_with_code": code.url_with_code or None,  # RFC 8628 §3.2: optional
            "user_code": code.code,
            "expires_in": code.expires_in,
        }
    )
    console.say(f"Open {code.url} on any device and enter the code")
    console.say(f"  {code.code}", style="bold")
    if code.url_with_code:
        console.say(f"or open {code.url_with_code}")


def _show_token(console: Console, account: str, token: AccessToken) -> None:
    # RFC 6749 §5.1: a server need not tell when the token expires.
    left = None if token.expires_at is None else round(token.expires_at - time.time())
    console.document(
        {
            "state": "signed-in",
            "account": account,
            "issuer": token.issuer,
            "impi": token.impi or None,
            "impus": list(token.impus),
            "scope": token.scope,
            "expires_in": left,
            "refreshable": token.refresh is not None,
        }
    )
    console.say(f"Signed in for {account}.", style="green")
    facts = {"issuer": token.issuer, "private identity": token.impi or "-"}
    facts["identities"] = ", ".join(token.impus) or "-"
    facts["access token"] = "no expiry known" if left is None else f"expires in {left} s"
    facts["afterwards"] = "refreshed automatically" if token.refresh is not None else "sign in again"
    console.facts(facts)
