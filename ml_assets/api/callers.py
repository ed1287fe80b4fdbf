"""Who calls: the token, what it may do, for which accounts. `Reader` and `Writer` are what calls ask for."""

import datetime as dt
import hmac
import logging
import math
import re
import threading
from dataclasses import dataclass
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from ml_assets.api.context import Context, Kept, Shared
from ml_assets.api.problems import Problem
from ml_assets.api.rate_limit import RateLimiter
from ml_assets.storage.tokens import Token, hash_of, list_tokens, touch_tokens

TOKENS_SECONDS = 5.0
"""How long tokens are kept in memory: one that was revoked works so long, twice as long at most."""

TOUCH_SECONDS = 60.0
"""How long after a use it is written; what else is used meanwhile is written with it."""

FAILURES_PER_SECOND = 20.0

_THIS_MACHINE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
ANONYMOUS = "anonymous"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Who calls, and what they may."""

    token_id: str | None
    """None: no token was ever made, and the call comes from this machine."""
    name: str
    can_write: bool
    config_ids: frozenset[int] | None
    """The accounts they may see; None: all."""

    def may_see(self, config_id: int) -> bool:
        """Whether an account is among theirs."""
        return self.config_ids is None or config_id in self.config_ids


OPEN = Caller(None, ANONYMOUS, can_write=True, config_ids=None)
"""Whoever calls on this machine while no token was ever made."""


class TokenCache:
    """The tokens, some seconds old at most, and when they were last used. Safe to share among threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._tokens = Kept(self._read, TOKENS_SECONDS)
        self._used: dict[str, dt.datetime] = {}
        self._writer: threading.Timer | None = None
        self.failures = RateLimiter(FAILURES_PER_SECOND, 2 * FAILURES_PER_SECOND)

    def find(self, secret: str) -> Token | None:
        """The token of a secret, compared in constant time; None for one that is unknown.

        Raises what the database raises where the tokens have to be read; the next call reads them again.
        """
        wanted = hash_of(secret)
        found = None
        for token in self.all():
            if hmac.compare_digest(token.token_hash, wanted):
                found = token
        return found

    @property
    def is_old(self) -> bool:
        """Whether the next look reads the database."""
        return self._tokens.is_old

    def all(self) -> tuple[Token, ...]:
        """All tokens, also those that are no good any more."""
        return self._tokens.get()

    def _read(self) -> tuple[Token, ...]:
        with self._engine.connect() as connection:
            return tuple(list_tokens(connection))

    def used(self, token: Token) -> None:
        """Note that a token was used; it is written within a minute, away from the request."""
        with self._lock:
            self._used[token.id] = dt.datetime.now(dt.UTC)
            if self._writer is None:
                self._writer = threading.Timer(TOUCH_SECONDS, self.write_used)
                self._writer.daemon = True
                self._writer.start()

    def write_used(self) -> None:
        """Write when tokens were last used. Where the database fails, it is written after the next use."""
        with self._lock:
            if self._writer is not None:
                self._writer.cancel()
            used, self._used, self._writer = self._used, {}, None
        if not used:
            return
        try:
            with self._engine.begin() as connection:
                touch_tokens(connection, used)
        except SQLAlchemyError:
            with self._lock:
                self._used = {**used, **self._used}
            _log.warning("When tokens were last used could not be written; the next use tries it again.")


_bearer = HTTPBearer(
    auto_error=False,
    description="A token that `ml-assets token create` made: `Authorization: Bearer mla_...`.",
)


async def _caller(
    request: Request,
    context: Shared,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Who calls. Raises Problem 401 without a token that is good, 403 for a foreign Host, 429.

    Without waiting, but where the tokens are read anew: a thread for each call would cost more than it.
    """
    if context.tokens.is_old:
        await run_in_threadpool(context.tokens.all)
    if is_open(context):
        if not _names_this_machine(request):
            # A web page that had its own name point to this machine would otherwise read everything.
            raise Problem(403, "Without a token the API answers to the names of this machine alone.")
        return _limited(context, OPEN)
    token = None if credentials is None else context.tokens.find(credentials.credentials)
    if token is None or token.state(dt.datetime.now(dt.UTC)) != "active":
        raise _refused(request, context, token)
    context.tokens.used(token)
    config_ids = None if token.config_ids is None else frozenset(token.config_ids)
    return _limited(context, Caller(token.id, token.name, token.scope == "write", config_ids))


async def _writer(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    """Who calls and may change things. Raises Problem 403 for a token that only reads."""
    if not caller.can_write:
        raise Problem(
            403, f"The token {caller.name} only reads; `ml-assets token create NAME --write` makes one."
        )
    return caller


Reader = Annotated[Caller, Depends(_caller)]
"""Anybody who is let in."""

Writer = Annotated[Caller, Depends(_writer)]
"""Who may start runs and say what was done."""


def is_open(context: Context) -> bool:
    """Whether requests need no token: none was ever made, and only this machine can ask."""
    return context.is_open_allowed and not context.tokens.all()


def _names_this_machine(request: Request) -> bool:
    """Whether the one Host header, as it was sent, is a name of this machine.

    `request.url` puts the server's own address in the place of a header it cannot read, such as
    `a{b.example`, and browsers do send such names.
    """
    hosts = request.headers.getlist("host")
    return len(hosts) == 1 and _THIS_MACHINE.fullmatch(hosts[0]) is not None


def _limited(context: Context, caller: Caller) -> Caller:
    _require_within(context.limiter, caller.token_id or ANONYMOUS)
    return caller


def _require_within(limiter: RateLimiter, key: str) -> None:
    seconds = limiter.check(key)
    if seconds is not None:
        wait = max(1, math.ceil(seconds))
        raise Problem(429, f"Too many requests; try again in {wait} s.", {"Retry-After": str(wait)})


def _refused(request: Request, context: Context, token: Token | None) -> Problem:
    """401; or 429 where an address has failed too often, so that guessing is slow."""
    _require_within(context.tokens.failures, request.client.host if request.client else "")
    said = "A token is needed: `Authorization: Bearer mla_...`; `ml-assets token create NAME` makes one."
    if token is not None:
        said = f"The token {token.name} is {token.state(dt.datetime.now(dt.UTC))}."
    elif "authorization" in request.headers:
        said = "This token is not known."
    return Problem(401, said, {"WWW-Authenticate": "Bearer"})
