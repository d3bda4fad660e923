"""Durable debits a second on one account: together, against one transaction for each.

Three ways on the same database in the same run, with the disk waited for at every commit:
group commit as the application does it, the same commands in a transaction each, and the least SQL
that a debit can be (a conditional update and an insert) in a transaction each.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, text

from charging.commands import AuthoriseCall, DebitInterval, ReserveInterval, TopUp
from charging.ledger import CallRecord, Command
from charging.money import Money
from db.batches import BatchRunner
from db.engine import WRITER, open_engine
from db.ledger import SqlLedger
from db.models import postings
from db.schema import upgrade
from tests.db.postgresql import running_server
from tests.fakes.charging import rate
from tests.fakes.clock import START
