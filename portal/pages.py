"""The one renderer: every page goes through it, in the language of its reader."""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from gettext import NullTranslations
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from charging.people import Role
from portal.access import visit_of
from portal.assets import Assets
from portal.languages import NAMES, marked, preferred
from portal.sessions import LANGUAGE_COOKIE
from portal.words import Words

TEMPLATES = Path(__file__).parent / "templates"
NOTICE_COOKIE = "tollgate_notice"
_NOTICE_LASTS_S = 60

# Whoever the address belongs to.
NOT_INVITED: Final = marked(
    "No mail server is set up here: your administrator gives access, with “tollgate user add”"
    " and the mail address."
)

# What a page says once, after something was done: the cookie names it, and holds no text.
NOTICES: Final[Mapping[str, str]] = {
    "signed_out": marked("You are signed out."),
    "password_set": marked("Your password is set, and you are signed in."),
    "invited": marked("A link is on its way. Who accepts it within 15 minutes has access."),
    "accepted": marked("You have access to this office, too. Sign in with your own password."),
    "not_invited": NOT_INVITED,
    "not_mailed": marked(
        "No mail server is set up here: your administrator makes the link, with"
        " “tollgate user reset” and the mail address."
    ),
    "link_sent": marked("If this address has access, a link is on its way to it."),
    "role_changed": marked("The role is changed."),
    "access_ended": marked("Access is ended, and every session with it."),
    "sessions_ended": marked("Every other session is ended."),
    "language_set": marked("The language is changed."),
    "refill_set": marked("The refill is on."),
    "refill_off": marked("The refill is off."),
    "refill_tried": marked("The refill goes on."),
    "not_now": marked("That is not possible just now."),
    "cancelled": marked("The payment is cancelled; the unspent money goes back to the card."),
    "hanging_up": marked("The call is being hung up."),
    "no_pdf": marked("No PDF can be made here. Print this page instead, also into a file."),
    "adjusted": marked("The balance is adjusted."),
    "saved": marked("Your changes are saved."),
}

# The menu, in its order.
MENU: Final = (
    ("/", marked("Prepaid Account")),
    ("/calls", marked("Calls")),
    ("/reports", marked("Reports")),
    ("/rates", marked("Rates")),
    ("/extensions", marked("Extensions")),
    ("/billing", marked("Billing")),
    ("/notices", marked("Notices")),
    ("/users", marked("Users")),
    ("/audit-trail", marked("Audit trail")),
)
ROLE_NAMES: Final[Mapping[str, str]] = {
    Role.VIEWER: marked("Viewer"),
    Role.MANAGER: marked("Manager"),
    Role.CUSTOMER_CARE: marked("Customer care"),
}

Catalogues = Mapping[str, NullTranslations]


class CompiledTemplates(BytecodeCache):
    """Of this process: one template is compiled once, and not for each language."""

    def __init__(self) -> None:
        self._by_key: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        compiled = self._by_key.get(bucket.key)
        if compiled is not None:
            bucket.bytecode_from_string(compiled)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._by_key[bucket.key] = bucket.bytecode_to_string()


_COMPILED: Final = CompiledTemplates()


class Pages:
    def __init__(
        self,
        catalogues: Catalogues,
        assets: Assets,
        zone_of: Callable[[str], tzinfo | None],
        *,
        speak: Callable[[str, NullTranslations, tzinfo | None], Words] = Words,
    ) -> None:
        """`zone_of` an office: in which its times are shown."""
        self._speak = speak
        self._catalogues = catalogues
        self._zone_of = zone_of
        self._environments = {
            language: _environment(catalogue, assets) for language, catalogue in catalogues.items()
        }

    def words(self, request: Request) -> Words:
        """Of the person who is signed in, or else of the browser."""
        visit = visit_of(request)
        zone = None if visit is None else self._zone_of(visit.office_id)
        return self.words_in(self.language(request), zone)

    def words_in(self, language: str, zone: tzinfo | None = None) -> Words:
        """For whoever is no person with a browser."""
        return self._speak(language, self._catalogues[language], zone)

    def language(self, request: Request) -> str:
        visit = visit_of(request)
        chosen = None if visit is None else visit.user.language
        chosen = chosen or request.cookies.get(LANGUAGE_COOKIE, "")
        if chosen in self._catalogues:
            return chosen
        return preferred(request.headers.get("accept-language", ""))

    def page(
        self, request: Request, template: str, *, status: int = HTTPStatus.OK, **values: Any
    ) -> HTMLResponse:
        """A screen as HTML."""
        words = self.words(request)
        notice = NOTICES.get(request.cookies.get(NOTICE_COOKIE, ""))
        html = (
            self._environments[words.language]
            .get_template(template)
            .render(
                words=words,
                visit=visit_of(request),
                language_names=NAMES,
                here=_here(request),
                path=request.url.path,
                notice=notice,
                menu=MENU,
                role_names=ROLE_NAMES,
                Role=Role,
                **values,
            )
        )
        answer = HTMLResponse(html, status_code=status)
        if notice is not None:
            answer.delete_cookie(NOTICE_COOKIE)
        return answer


def who(actor: str) -> str:
    """As people know them: of a user the mail address alone."""
    return actor.removeprefix("user:")


def done(to: str, notice: str) -> Response:
    """Go on to a page, which says once what was done."""
    answer = RedirectResponse(to, status_code=HTTPStatus.SEE_OTHER)
    if notice not in NOTICES:
        raise KeyError(notice)
    answer.set_cookie(
        NOTICE_COOKIE, notice, max_age=_NOTICE_LASTS_S, httponly=True, samesite="strict"
    )
    return answer


def _here(request: Request) -> str:
    """The page that is shown, to come back to; of a form that was sent, the start."""
    if request.method != "GET":
        return "/"
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def _environment(catalogue: NullTranslations, assets: Assets) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_COMPILED,
        auto_reload=False,  # what was read when a page was first asked for stays
    )
    environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["asset"] = assets.address
    environment.filters["who"] = who
    return environment
