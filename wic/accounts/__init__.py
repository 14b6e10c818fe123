"""Accounts and the file that holds them, for clients, networks and the command line alike.

schema.py              every key of an account: kind, default, meaning
reader.py              the file, the table of one account, its secrets
account.py             Account; with aka_settings.py and web_authorization.py for its credentials
accounts_file.py       AccountsFile, which changes accounts in place
toml_writer.py         TomlText, a TOML document that keeps comments and order
"""

from wic.accounts.account import Account, is_registrable
from wic.accounts.accounts_file import AccountsFile
from wic.accounts.aka_settings import AkaSettings
from wic.accounts.reader import read_secret_file
from wic.accounts.schema import AuthScheme, PoolAccess, UsimKind
from wic.accounts.web_authorization import WebAuthorization

__all__ = [
    "Account",
    "AccountsFile",
    "AkaSettings",
    "AuthScheme",
    "PoolAccess",
    "UsimKind",
    "WebAuthorization",
    "is_registrable",
    "read_secret_file",
]
