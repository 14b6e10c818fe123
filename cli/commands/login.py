"""`wic login` and `wic logout`: a person signs in at the WAF for an account, and out again."""

from __future__ import annotations

import asyncio
import time
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wic.accounts import Account
from wic.client.web.store import TokenStore
from wic.errors import ConfigurationError

from ..exit_codes import ExitCode
from ..options import Common, common
from ..run import exit_with, run

if TYPE_CHECKING:
    from wic.client.web import AccessToken, WebAuthorization
    from wic.client.web.device import UserCode

    from ..console import Console

_accounts_option = click.option(
    "--accounts", type=click.Path(path_type=Path), metavar="FILE", help="The accounts file."
)


@click.command()
@common
@_accounts_option
@click.argument("account")
@click.option("--no-browser", is_flag=True, help="Show the address, and let me open it on this machine.")
@click.option("--device", is_flag=True, help="Show an address and a code, to sign in on any other device.")
def login(settings: Common, accounts: Path | None, account: str, no_browser: bool, device: bool) -> None:
    """Sign in for ACCOUNT, whose network asks for access tokens.

    The token is kept in the state directory of this user and refreshed when it is used, until `wic logout`.
    """
    if no_browser and device:
        raise click.UsageError("--no-browser and --device exclude each other.")
    console = settings.console

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

    exit_with(run(work, console))


@click.command()
@common
@_accounts_option
@click.argument("account")
def logout(settings: Common, accounts: Path | None, account: str) -> None:
    """Revoke and forget the token of `wic login`."""

    async def work() -> ExitCode:
        from wic.client.web.sign_in import sign_out  # an HTTP client: loaded when needed

        was_in = await sign_out(_web(account, accounts), TokenStore())
        settings.console.document({"state": "signed-out", "account": account, "was_signed_in": was_in})
        settings.console.say(f"{account} is signed out." if was_in else f"Nobody was signed in for {account}.")
        return ExitCode.DONE

    exit_with(run(work, settings.console))


def _web(name: str, accounts: Path | None) -> WebAuthorization:
    web = Account.load(name, accounts).web
    if web is None:
        raise ConfigurationError(f'Account {name!r} does not use access tokens: it has no auth = "bearer".')
    return web


def _show_url(console: Console, url: str, *, open_it: bool) -> None:
    console.document({"state": "waiting", "url": url})
    console.say("Sign in with your browser:" if open_it else "Open this address in a browser on this machine:")
    console.say(f"  {url}")
    if open_it:
        asyncio.get_running_loop().run_in_executor(None, _open, url)


def _open(url: str) -> None:
    with suppress(webbrowser.Error):  # the address is on the screen
        webbrowser.open(url)


def _show_code(console: Console, code: UserCode) -> None:
    console.document(
        {
            "state": "waiting",
            "url": code.url,
            "url_with_code": code.url_with_code or None,
            "user_code": code.code,
            "expires_in": code.expires_in,
        }
    )
    console.say(f"Open {code.url} on any device and enter the code")
    console.say(f"  {code.code}", style="bold")
    if code.url_with_code:
        console.say(f"or open {code.url_with_code}")


def _show_token(console: Console, account: str, token: AccessToken) -> None:
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
    facts["access token"] = "no end known" if left is None else f"lasts {left} s"
    facts["afterwards"] = "refreshed by itself" if token.refresh is not None else "sign in again"
    console.facts(facts)
