"""Sums of past days, so that two years of calls are added up by reading a few thousand rows.

They are made of calls that are over, off the path of calls, and can be made anew at any time: what
counts are the calls. The migration has triggers that drop a day's sums when a call that was not
charged is written for it later.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, String, Table

from db.models import UtcDateTime, metadata

SUMMED = (
    *("paid_calls", "answered_calls", "paid_talk_s", "spent_micros"),
    *("unpaid_calls", "unpaid_talk_s", "refused_calls"),
)
PARTS = ("country", "extension", "both")  # what one row of `day_sums` is the sum of


def _summed() -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False, server_default="0") for name in SUMMED]


# The days of an office that are added up, each with the sum of all its calls.
summed_days = Table(
    "summed_days",
    metadata,
    Column("office_id", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),  # in the office's time zone
    Column("summed_at", UtcDateTime),  # None: somebody began, and what follows is not there yet
    *_summed(),
    # Of its paid calls: between which moments they began, and when the last of them was settled.
    Column("first_at", UtcDateTime),
    Column("last_at", UtcDateTime),
    Column("settled_at", UtcDateTime),
    sqlite_with_rowid=False,
)

# The same by country ("" as endpoint), by extension ("" as country), and by both.
day_sums = Table(
    "day_sums",
    metadata,
    Column("office_id", String(64), primary_key=True),
    Column("part", String(10), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("endpoint", String(120), primary_key=True),
    Column("country", String(3), primary_key=True),
    Column("extension", String(120), nullable=False),  # what it was called
    *_summed(),
    CheckConstraint("part IN ('country', 'extension', 'both')", name="part"),
    sqlite_with_rowid=False,
)

# Up to which entry it was asked whether a call began on a day that is added up already.
sum_positions = Table(
    "sum_positions",
    metadata,
    Column("office_id", String(64), primary_key=True),
    Column("entry_number", BigInteger, nullable=False),
)
