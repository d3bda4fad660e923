"""What the headings of a rate sheet mean: which of our columns, and in which unit and currency.

A heading that may carry money or time and is not understood refuses the sheet; it is never ignored.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final


def frozen(words: str) -> frozenset[str]:
    """A set of words that is easily read in the source."""
    return frozenset(words.split())


# What a heading may mean. The first ten are also the columns of our own sheets.
COLUMNS: Final = (
    *("prefix", "destination", "per_minute", "connection", "per_call"),
    *("initial_s", "increment_s", "minimum_s", "increments", "effective"),
    *("country_code", "area_code", "country", "ends", "currency", "status", "neutral", "rate_unit"),
)
PRICES: Final = ("per_minute", "connection", "per_call")

# Letters and digits of a heading, folded to lower case without accents. From sheets of A2Billing,
# MagnusBilling, ASTPP, Kazoo, Yeastar, IvozProvider, JeraSoft, CGRateS and carriers' mails.
_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        alias: column
        for column, aliases in {
            "prefix": "prefix prefixes dialprefix matchprefix code codes dialcode dialcodes"
            " destinationcode destinationcodes dialingcode diallingcode e164 prefixe indicatif"
            " indicatifs",
            "country_code": "countrycode countryprefix cc indicatifpays codepays countrycodes",
            "area_code": "areacode areacodes areaprefix citycode citycodes ndc codezone"
            " indicatifregional",
            "destination": "destination destinationname name description zone location breakout"
            " libelle nom designation route",
            "country": "country countryname pays",
            "per_minute": "perminute ratepermin rateperminute pricepermin priceperminute costpermin"
            " costperminute pricemin ratemin costmin rateinitial sellprice sellrate"
            " rate rates ratecost cost price"
            " prices tarif tarifs tariff prix cout newrate newprice nouveautarif nouveauprix ppm "
            " cpm callrate",
            "connection": "connection connectioncost connectcharge connectfee connectionfee"
            " connectioncharge connectcost connect ratesurcharge surcharge setupfee sf initialcost"
            " setup connexion fraisdeconnexion fraisconnexion fraisdemiseenrelation miseenrelation",
            "per_call": "percall pricecall ratecall costcall prixappel pricepercall callcharge"
            " costpercall ratepercall parappel prixparappel ppc",
            "initial_s": "initial initblock initialincrement initialtime initialinterval"
            " initialperiod firstincrement firstinterval firstblock firstperiod 1stincrement"
            " 1stinterval interval1 increment1 palierinitial premierpalier",
            "increment_s": "nextincrement nextinterval nextblock nextperiod subsequentincrement"
            " subsequentinterval additionalincrement furtherincrement furtherblock 2ndincrement"
            " 2ndinterval secondincrement intervaln incrementn paliersuivant",
            "minimum_s": "minimum rateminimum minimumduration minduration min minimumtime mintime"
            " minimumcallduration minimuminterval minimumincrement dureeminimale dureeminimum"
            " dureemin",
            "increments": "increment increments billingincrement billingincrements billing"
            " billingterms terms billingblock billingunit billinginterval billingperiod"
            " rateincrement rateincrements billableunits billableunit interval int period step"
            " pulse pulses granularity palier paliers impulsion increm",
            "effective": "effective effectivedate effectivefrom effectivefromdate validfrom"
            " startdate datefrom ratestartdate dateeffective datedeffet dateeffet",
            "ends": "end ends enddate validto validuntil effectiveto effectiveuntil expires expiry"
            " expirydate expirationdate dateto stopdate rateenddate datefin datedefin",
            "currency": "currency currencycode devise monnaie ccy",
            "status": "status ratestatus change changes changetype action codestatus pricechange"
            " ratechange statut",
            "neutral": "gracetime grace nochargetime ratenochargetime minimaltimecharge"
            " disconnectcharge disconnectionfee groupintervalstart graceperiod minimumtimetocharge"
            " minimalcost additionalgrace stepchargea stepchargeb stepchargec chargea chargeb"
            " chargec timechargea timechargeb timechargec billingblocka billingblockb"
            " billingblockc",
            "rate_unit": "rateunit",
        }.items()
        for alias in aliases.split()
    }
)

# Headings of other meaning although they hold a word of the list below.
_HARMLESS: Final = frozen(
    "rateid ratename ratetype rateplan ratecard ratecardname tariffid tariffplan tariffname"
    " pricelist pricelistname oldrate oldprice previousrate previousprice prevrate currentrate"
    " currentprice ancientarif ancienprix buyrate buyrateinitblock buyrateincrement"
    " buyprice"
    " lastupdate lastupdated updatedate dateupdated changepercent ratechangepercent"
)
# A heading with one of these decides what a call costs; whoever wrote it meant something by it.
_WEIGHTY: Final = frozen(
    "increment increments incr interval pulse billing block granularity minimum step rounding"
    " duration rate rates price prices cost costs tarif tariff prix cout peak offpeak weekend"
    " weekday evening night fee fees surcharge charge charges setup frais supplement effective"
    " valid validity expires expiry expiration date start end until currency devise status statut"
    " action palier facturation unit"
)

_CURRENCY_WORDS: Final = MappingProxyType(
    {
        code.lower(): frozenset({code})
        for code in frozen(
            "USD EUR GBP CHF CAD AUD NZD SEK NOK DKK ISK PLN CZK HUF RON BGN RSD UAH RUB JPY CNY"
            " HKD SGD MYR THB IDR PHP INR PKR BDT LKR KRW TWD ZAR NGN KES GHS EGP MAD TND DZD XOF"
            " XAF AED SAR QAR KWD ILS BRL MXN ARS CLP COP"
        )
    }
    | dict.fromkeys(("euro", "euros"), frozenset({"EUR"}))
    | dict.fromkeys(("pound", "pounds", "sterling"), frozenset({"GBP"}))
    | dict.fromkeys(
        ("dollar", "dollars"), frozenset({"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD"})
    )
)
_SYMBOLS: Final = MappingProxyType(
    {"US$": " usd ", "C$": " cad ", "A$": " aud ", "NZ$": " nzd "}
    | {"€": " euro ", "£": " pound ", "$": " dollar ", "¥": " jpy "}
)
_PENCE: Final = frozenset({"pence", "penny", "p", "ppm", "ppc"})
_CENTS: Final = frozenset({"cent", "cents", "ct", "cts", "c", "cpm", "centime", "centimes"})
_MINUTE: Final = frozenset({"min", "mins", "minute", "minutes", "mn", "ppm", "cpm"})
_SECOND: Final = frozenset({"s", "sec", "secs", "second", "seconds", "seconde", "secondes"})
_FILLERS: Final = frozen(
    "per par in en la de d the a and ht ttc vat tva ex excl excluding inc incl including tax"
    " taxes hors net"
)
_UNITS: Final = _CURRENCY_WORDS.keys() | _PENCE | _CENTS | _MINUTE | _SECOND
_TIMES: Final = frozenset({"initial_s", "increment_s", "minimum_s", "increments"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What a price is written in. None: nobody says."""

    currencies: frozenset[str] | None = None  # any of these, as "dollar" is of many
    minor: str | None = None  # "pence" or "cents"; "" for whole units
    seconds: int | None = None  # 60: a minute; 1: a second

    def words(self, currency: str) -> str:
        """As people say it: "pence a minute"."""
        return f"{self.minor or currency} a {'second' if self.seconds == 1 else 'minute'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    text: str  # as it stands in the sheet
    place: int
    column: str | None  # None: means nothing to us
    unit: Unit = Unit()
    weighty: bool = False  # not understood, and may decide what a call costs


def read_heading(text: str, place: int, mapped: Mapping[str, str]) -> Heading:
    """Recognise one heading; `mapped` are headings that an option gave a meaning."""
    shown = " ".join(text.split())
    words = words_of(text)
    unit = unit_of(words)
    plain = "".join(words)
    if plain in mapped:
        return Heading(text=shown, place=place, column=mapped[plain], unit=unit)
    own = text.strip().lower()
    if own in COLUMNS:
        return Heading(text=shown, place=place, column=own)
    column = _ALIASES.get(plain)
    if column is None:
        column = _ALIASES.get("".join(_without_units(words)))
        if column in _TIMES and unit.seconds == 60:  # noqa: PLR2004 - a time in minutes
            return Heading(text=shown, place=place, column=None, weighty=True)
    if column is not None:
        return Heading(text=shown, place=place, column=column, unit=_unit_in(column, unit))
    weighty = plain not in _HARMLESS and not _WEIGHTY.isdisjoint(words)
    return Heading(text=shown, place=place, column=None, weighty=weighty)


def plain_heading(text: str) -> str:
    """How a heading is compared with one that an option names."""
    return "".join(words_of(text))


def words_of(text: str) -> list[str]:
    """Words in lower case, accents folded and currency signs spelt out."""
    for symbol, word in _SYMBOLS.items():
        text = text.replace(symbol, word)
    decomposed = unicodedata.normalize("NFKD", text.lower())
    folded = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return re.findall(r"[a-z]+|[0-9]+(?:st|nd)?", folded)


def unit_of(words: Sequence[str]) -> Unit:
    """Currency, hundredths and time that some words name."""
    named = [_CURRENCY_WORDS[word] for word in words if word in _CURRENCY_WORDS]
    currencies = frozenset.intersection(*named) if named else None
    minor = None
    if not _PENCE.isdisjoint(words):
        minor = "pence"
    elif not _CENTS.isdisjoint(words):
        minor = "cents"
    elif named:
        minor = ""
    seconds = None
    if not _MINUTE.isdisjoint(words):
        seconds = 60
    elif not _SECOND.isdisjoint(words):
        seconds = 1
    return Unit(currencies=currencies, minor=minor, seconds=seconds)


def are_units(words: Sequence[str]) -> bool:
    """Whether words name currencies, hundredths and times, and nothing else."""
    return all(word in _UNITS or word == "per" for word in words)


def _without_units(words: Sequence[str]) -> list[str]:
    return [word for word in words if word not in _UNITS and word not in _FILLERS]


def _unit_in(column: str, unit: Unit) -> Unit:
    """The unit of a price; a column of seconds has none, and a fee is not per minute."""
    if column not in PRICES:
        return Unit()
    return unit if column == "per_minute" else replace(unit, seconds=None)


def parse_unit(text: str) -> Unit | None:
    """What --unit says: `pence`, `GBP/second`, `cents/minute`; None if it says nothing."""
    words = words_of(text)
    unit = unit_of(words)
    if not words or not are_units([word for word in words if word not in {"unit", "units"}]):
        return None
    if unit.minor is None:
        unit = replace(unit, minor="")
    return unit
