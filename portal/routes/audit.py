"""The audit trail: who changed what."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from db.audit_trail import changes
from portal.access import Reader
from portal.languages import marked
from portal.parts import Needs

router = APIRouter()

ROWS = 50

# By the stable name of an action. One that is not here is shown by that name.
ACTIONS = {
    "user.invite": marked("Invited a user"),
    "user.role": marked("Changed a role"),
    "user.end": marked("Ended access"),
    "user.link": marked("Sent a link"),
    "user.disable": marked("Disabled a user"),
    "password.set": marked("Set a password"),
}


@router.get("/audit-trail")
async def audit_trail(
    request: Request,
    visit: Reader,
    parts: Needs,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    found = await parts.store.read(
        lambda reader: changes(reader, visit.office_id, limit=ROWS + 1, before=before)
    )
    older = found[ROWS - 1].number if len(found) > ROWS else None
    return parts.pages.page(
        request, "audit_trail.html", rows=found[:ROWS], older=older, actions=ACTIONS
    )
