"""A listener who knows nothing of clips: writes down the English that it hears.

pocketsphinx has wheels for Python up to 3.13; where it is missing, who would listen is skipped.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prompts.audio import Sound

AMOUNTS = """#JSGF V1.0;
grammar amounts;
<digit> = one | <digit_from_two>;
<digit_from_two> = two | three | four | five | six | seven | eight | nine;
<teen> = ten | eleven | twelve | thirteen | fourteen | fifteen | sixteen | seventeen | eighteen
 | nineteen;
<tens> = (twenty | thirty | forty | fifty | sixty | seventy | eighty | ninety) [<digit>];
<from_two> = <digit_from_two> | <teen> | <tens>;
<hundreds> = <digit> hundred [and (one | <from_two>)];
<below_thousand> = <from_two> | <hundreds>;
<whole> = <below_thousand> | <digit> thousand [and (one | <from_two>) | <hundreds>];
<unit> = pounds | euros | dollars;
<units> = one (pound | euro | dollar) | (zero | <whole>) <unit>;
<subunits> = one (penny | cent) | <from_two> (pence | cents);
<amount> = <units> [and <subunits>] | <subunits>;
<decimal> = (zero | one | <from_two>) point <digit> (pence | cents);
<minutes> = one minute | <whole> minutes;
public <sentence> = your balance is <amount>
 | this call costs (<amount> | <decimal>) per minute
 | that is enough for about (<minutes> | less than one minute);
"""


class Listener:
    """Understands the sentences of one grammar."""

    def __init__(self, grammar: str) -> None:
        self._decoder = _pocketsphinx().Decoder(samprate=16_000, loglevel="FATAL")
        self._decoder.add_jsgf_string("grammar", grammar)
        self._decoder.activate_search("grammar")

    def words(self, sound: Sound) -> str:
        assert sound.rate_hz == 16_000
        silence = np.zeros(8_000)
        heard = np.concatenate([silence, sound.samples, silence])
        self._decoder.start_utt()
        self._decoder.process_raw((heard * 32_767).astype("<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return "" if hypothesis is None else str(hypothesis.hypstr)


def grammar_of(sentences: list[str]) -> str:
    """Knows whole sentences only: which of them was it?"""
    known = {line.split()[0] for line in _dictionary().splitlines()}
    every = [" ".join(word for word in heard(text).split() if word in known) for text in sentences]
    return f"#JSGF V1.0;\ngrammar sentences;\npublic <sentence> = {' | '.join(every)};\n"


def heard(text: str) -> str:
    """The words of a text, without what is only written."""
    return re.sub(r"[^a-z' ]", "", text.lower().replace("-", " "))


def _pocketsphinx() -> Any:
    return pytest.importorskip("pocketsphinx")


def _dictionary() -> str:
    return (Path(_pocketsphinx().get_model_path("en-us")) / "cmudict-en-us.dict").read_text(
        encoding="utf-8"
    )
