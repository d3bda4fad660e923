"""In which language a program is answered."""

from fastapi import Request

from portal.api.access import Caller
from portal.languages import preferred
from portal.parts import Parts
from portal.words import Words


def words_for(request: Request, parts: Parts, caller: Caller) -> Words:
    """Of its Accept-Language alone, with moments in the office's zone."""
    zone = parts.offices.office(caller.office_id).time_zone
    return parts.pages.words_in(preferred(request.headers.get("accept-language", "")), zone)
