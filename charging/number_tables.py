"""Facts about numbers that phonenumbers does not know, or tells otherwise. Plain data.

Sources: Ofcom's national numbering plan and callcosts.uk for +44; ARCEP's numbering plan and its
list of emergency numbers for France; ITU-T E.164 assignments for the global codes. Others stand
beside what they are the source of.
"""

import re
from types import MappingProxyType
from typing import Final

from charging.kinds import LineKind

# Exact and complete: 18000 is the United Kingdom's emergency text relay. ARCEP's list obliges
# operators to carry these free and to leave them out of bills; 116111 joined it in 2017.
_UK_EMERGENCY: Final = ("112", "999", "18000")
_FR_EMERGENCY: Final = (
    *("15", "17", "18", "112", "114", "115", "119", "191", "196", "197"),
    *("116000", "116111", "116117"),
)
_UK: Final = ("GB", "JE", "GG", "IM")
_FRANCE: Final = ("FR", "RE", "YT", "GP", "GF", "MQ")
EMERGENCY: Final = MappingProxyType(
    dict.fromkeys(_UK, _UK_EMERGENCY) | dict.fromkeys(_FRANCE, _FR_EMERGENCY)
)

# A caller with a text relay dials one of these before an ordinary number.
RELAY_PREFIXES: Final = MappingProxyType(dict.fromkeys(_UK, ("18001", "18002")))

# Dialled before an ordinary number to withhold (141) or to show (1470) the caller's own, once.
# Source: Ofcom's guide to calling line identification; BT's list of calling features.
CALLER_ID_PREFIXES: Final = MappingProxyType(dict.fromkeys(_UK, ("141", "1470")))

# Forms of a number that people still dial, and what replaces them. Mexico dropped the 1 before
# mobile numbers on 3 August 2019 (Instituto Federal de Telecomunicaciones, plan of numbering).
OLD_FORMS: Final = ((re.compile(r"521(\d{10})"), "52"),)


def _entries(country: str, kind: LineKind, prefixes: str) -> dict[str, tuple[str, LineKind]]:
    return dict.fromkeys(prefixes.split(), (country, kind))


# Denmark's series, which phonenumbers leaves undecided: nearly all its numbers would be neither
# landlines nor mobiles. 70 is of no place, at the price of a landline. Source: the Danish agency's
# numbering plan of 2020 (SDFI, "Den samlede danske nummerplan"), which says "mainly" of each.
_DK_LANDLINES: Final = """
    32 33 34 35 36 38 39 43 44 45 46 47 48 49 54 55 56 57 58 59 62 63 64 65 66 69
    72 73 74 75 76 77 78 79 82 86 87 88 89 96 97 98 99
"""
_DK_MOBILES: Final = """
    2 30 31 40 41 42 50 51 52 53 60 61 71 81 91 92 93
    342 344 345 346 347 348 349 356 357 359 362 365 366 389 398 431 441 462 466 468 472 474 476 478
    485 486 488 489 493 494 495 496 498 499 542 543 545 551 552 556 571 572 573 574 577 579 584 586
    587 589 597 598 627 629 641 649 658 662 663 664 665 667 692 693 694 697 771 772 782 783 785 786
    788 789 826 827 829
"""


def _danish(kind: LineKind, series: str) -> dict[str, tuple[str, LineKind]]:
    return _entries("DK", kind, " ".join(f"45{digits}" for digits in series.split()))


# E.164 prefix to country and kind; the longest one decides. +44 is four countries, and what is
# dialled as an ordinary French number may be one of the overseas departments.
BY_PREFIX: Final = MappingProxyType(
    _entries("GB", LineKind.LANDLINE, "441 442")
    | _entries("GB", LineKind.NATIONAL, "443")
    | _entries("GB", LineKind.CORPORATE, "4455")
    | _entries("GB", LineKind.VOIP, "4456")
    | _entries("GB", LineKind.MOBILE, "447")
    | _entries("GB", LineKind.PERSONAL, "4470")
    | _entries("GB", LineKind.PAGER, "4476")
    | _entries("GB", LineKind.TOLL_FREE, "44800 44808")
    | _entries("GB", LineKind.SERVICE, "4484 4487")
    | _entries("GB", LineKind.PREMIUM, "449")
    | _entries("JE", LineKind.LANDLINE, "441534")
    | _entries("JE", LineKind.MOBILE, "447797 4477003 4477007 4477008 447509 447829 447937")
    | _entries("GG", LineKind.LANDLINE, "441481")
    | _entries("GG", LineKind.MOBILE, "447781 447839 4479111 4479117")
    | _entries("IM", LineKind.LANDLINE, "441624")
    | _entries("IM", LineKind.MOBILE, "447624 447524 447924 4474576")
    | _entries("FR", LineKind.LANDLINE, "331 332 333 334 335")
    | _entries("FR", LineKind.MOBILE, "336 337 33700")
    | _entries("FR", LineKind.VOIP, "339")
    | _entries("FR", LineKind.TOLL_FREE, "33800 33801 33802 33803 33804 33805")
    | _entries("FR", LineKind.NATIONAL, "33806 33807 33808 33809")
    | _entries("FR", LineKind.SERVICE, "3381 3382")
    | _entries("FR", LineKind.PREMIUM, "33836 3389")
    | _entries("RE", LineKind.LANDLINE, "262262")
    | _entries("RE", LineKind.MOBILE, "262692 262693")
    | _entries("YT", LineKind.LANDLINE, "262269")
    | _entries("YT", LineKind.MOBILE, "262639")
    | _entries("GP", LineKind.LANDLINE, "590590")
    | _entries("GP", LineKind.MOBILE, "590690 590691")
    | _entries("GF", LineKind.LANDLINE, "594594")
    | _entries("GF", LineKind.MOBILE, "594694")
    | _entries("MQ", LineKind.LANDLINE, "596596")
    | _entries("MQ", LineKind.MOBILE, "596696 596697")
    | _danish(LineKind.LANDLINE, _DK_LANDLINES)
    | _danish(LineKind.MOBILE, _DK_MOBILES)
    | _danish(LineKind.NATIONAL, "70")
    | _entries("001", LineKind.SATELLITE, "870 881 882 883")
    | _entries("001", LineKind.PERSONAL, "878")
    | _entries("001", LineKind.PREMIUM, "979")
    | _entries("001", LineKind.TOLL_FREE, "800")
    | _entries("001", LineKind.SERVICE, "808")
)
BY_PREFIX_LENGTH_MAX: Final = max(map(len, BY_PREFIX))
NATIONAL_DIGITS_MAX: Final = 13  # of the countries below

# Digits after the country code. Numbers newer than phonenumbers' tables are still numbers: only
# their length is checked. Nine digits after +44: old area codes and 0800; seven: 0800 1111.
LENGTHS: Final = MappingProxyType(
    {
        "44": re.compile(r"[1-35789]\d{9}|1\d{8}|800\d{6}|8001111"),
        # Machines have 14 digits, 0700 and ten more: ARCEP, decisions 2012-0855 and 2018-0881.
        "33": re.compile(r"[1-9]\d{8}|700\d{10}"),
        "262": re.compile(r"\d{9}"),
        "590": re.compile(r"\d{9}"),
        "594": re.compile(r"\d{9}"),
        "596": re.compile(r"\d{9}"),
        "870": re.compile(r"\d{4,12}"),
        "878": re.compile(r"\d{10,12}"),
        "881": re.compile(r"\d{4,12}"),
        "882": re.compile(r"\d{4,12}"),
        "883": re.compile(r"\d{4,12}"),
        "979": re.compile(r"\d{4,12}"),
        "800": re.compile(r"\d{8}"),
        "808": re.compile(r"\d{8}"),
    }
)

# Numbers shorter than all others of their prefix: Childline's 0800 1111.
SHORTER: Final = MappingProxyType({"44": ("8001111",)})

# First three digits of a French national number to the country code it really has.
FRENCH_OVERSEAS: Final = MappingProxyType(
    dict.fromkeys(("262", "269", "639", "692", "693"), "262")
    | dict.fromkeys(("590", "690", "691"), "590")
    | dict.fromkeys(("594", "694"), "594")
    | dict.fromkeys(("596", "696", "697"), "596")
)

# Short codes of a country as Asterisk writes patterns (X is any digit); the first match decides.
# Whatever matches nothing is no number: 15000 and 9999 begin like emergency numbers and are none.
_UK_SHORT: Final = (
    *((code, LineKind.TOLL_FREE) for code in ("101", "105", "111", "116XXX")),
    ("118XXX", LineKind.DIRECTORY),
    ("159", LineKind.NATIONAL),  # one's bank, at the price of a national call: Stop Scams UK
    *((code, LineKind.SHORT) for code in ("1471", "1571")),  # last caller, voicemail: BT
    ("1XX", LineKind.SHORT),
)
_FR_SHORT: Final = (
    *((code, LineKind.TOLL_FREE) for code in ("3[01]XX", "116XXX")),
    ("3919", LineKind.TOLL_FREE),  # helps victims of violence; the rest of 39XX is surcharged
    ("118XXX", LineKind.DIRECTORY),
    *((code, LineKind.SERVICE) for code in ("10XX", "3[2-9]XX")),  # 3646 and 3949 among them
)
SHORT: Final = MappingProxyType(dict.fromkeys(_UK, _UK_SHORT) | dict.fromkeys(_FRANCE, _FR_SHORT))
SHORT_PATTERNS: Final = MappingProxyType(
    {
        country: tuple((re.compile(code.replace("X", "[0-9]")), kind) for code, kind in codes)
        for country, codes in SHORT.items()
    }
)

# How sheets name the countries that share a code with others, in words of `charging.reach`.
COUNTRY_WORDS: Final = MappingProxyType(
    {
        "US": ("usa", "united states", "etats unis", "america"),
        "CA": ("canada",),
        "AG": ("antigua", "barbuda"),
        "AI": ("anguilla",),
        "AS": ("american samoa", "samoa americaines"),
        "BB": ("barbados", "barbade"),
        "BM": ("bermuda", "bermudes"),
        "BS": ("bahamas",),
        "DM": ("dominica", "dominique"),
        "DO": ("dominican republic", "dominican rep", "republique dominicaine"),
        "GD": ("grenada", "grenade"),
        "GU": ("guam",),
        "JM": ("jamaica", "jamaique"),
        "KN": ("kitts", "nevis"),
        "KY": ("cayman", "caimans"),
        "LC": ("lucia", "lucie"),
        "MP": ("mariana", "mariannes", "saipan"),
        "MS": ("montserrat",),
        "PR": ("puerto rico", "porto rico"),
        "SX": ("sint maarten", "st maarten"),
        "TC": ("turks", "caicos"),
        "TT": ("trinidad", "tobago", "trinite"),
        "VC": ("vincent",),
        "VG": ("british virgin", "virgin islands british", "vierges britanniques", "bvi"),
        "VI": ("us virgin", "virgin islands us", "vierges americaines", "usvi"),
        "RU": ("russia", "russian", "russie"),
        "KZ": ("kazakhstan", "kazakstan"),
        "IT": ("italy", "italie", "italia"),
        "VA": ("vatican", "holy see", "saint siege"),
        "GB": ("united kingdom", "uk", "great britain", "england", "royaume uni"),
        "JE": ("jersey", "channel islands", "anglo normandes"),
        "GG": ("guernsey", "guernesey", "channel islands", "anglo normandes"),
        "IM": ("isle of man", "ile de man"),
        "NO": ("norway", "norvege"),
        "SJ": ("svalbard", "spitsbergen"),
        "AU": ("australia", "australie"),
        "CC": ("cocos", "keeling"),
        "CX": ("christmas",),
        "MA": ("morocco", "maroc"),
        "EH": ("western sahara", "sahara occidental"),
        "RE": ("reunion", "french overseas"),
        "YT": ("mayotte", "french overseas"),
        "SH": ("helena", "helene", "ascension"),
        "TA": ("tristan",),
        "FI": ("finland", "finlande"),
        "AX": ("aland",),
        "GP": ("guadeloupe", "french overseas"),
        "BL": ("barthelemy", "barths"),
        "MF": ("saint martin", "st martin"),
        "CW": ("curacao",),
        "BQ": ("bonaire", "saba", "eustatius", "caribbean netherlands"),
    }
)
# Of a code's countries, those that its bare code means where nobody names any.
MAIN_COUNTRIES: Final = MappingProxyType({"1": ("US", "CA")})
