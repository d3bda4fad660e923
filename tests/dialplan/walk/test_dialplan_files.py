"""extensions.conf as Asterisk reads it: what of each rule a hand-written file relies on."""

import pytest

from dialplan.config_text import Line, SourceFile, read_config, without_comments
from dialplan.walk.shown import lines_shown
from tests.dialplan.walk.text import dialplan, written


def steps(text: str, extension: str, context: str = "office") -> list[tuple[int, str, str]]:
    found = written(text).dialplan.contexts[context].extensions
    (wanted,) = [each for each in found if each.name == extension]
    return [(step.number, step.application, step.data) for step in wanted.steps]


def test_comments_of_lines_and_of_blocks() -> None:
    text = "a ; one\n;-- b\nc --; d\n;--- no block\ne\\;f ;-- g --; h\n;-- x ;-- y --; z --;i\n"
    assert list(without_comments(text)) == [(1, "a"), (3, "d"), (5, "e;f  h"), (6, "i")]


def test_n_follows_the_line_before_whatever_its_extension() -> None:
    text = """[office]
exten => 101,1,NoOp()
exten => 102,5,NoOp()
exten => 101,n,Hangup()
exten => 101,n+3(late),Echo()
 same => late+1,NoOp(after)
"""
    numbers = [number for number, _, _ in steps(text, "101")]
    assert numbers == [1, 6, 10, 11]


def test_first_of_two_lines_for_one_priority_counts_and_the_other_is_told() -> None:
    found = written("[office]\nexten => 1,1,NoOp(a)\nexten => 1,1,NoOp(b)\nexten => 1,n,Hangup()\n")
    (extension,) = found.dialplan.contexts["office"].extensions
    assert [(step.number, step.data) for step in extension.steps] == [(1, "a"), (2, "")]
    (remark,) = found.remarks
    assert remark.line == Line("extensions.conf", 3)


def test_templates_are_no_contexts_and_what_takes_them_over_has_their_lines() -> None:
    text = """[base](!)
exten => 1,1,NoOp()
[office](base)
exten => 2,1,NoOp()
[office](+)
include => more
[more]
"""
    found = dialplan(text)
    assert set(found.contexts) == {"office", "more"}
    assert [each.name for each in found.contexts["office"].extensions] == ["1", "2"]
    assert [each.context for each in found.contexts["office"].includes] == ["more"]


def test_file_that_is_included_goes_on_in_the_section_where_it_is_included() -> None:
    text = "[office]\n#include more.conf\nexten => 2,1,NoOp()\n"
    found = written(text, more="exten => 1,1,NoOp()\n[other]\nexten => 3,1,NoOp()\n")
    assert [each.name for each in found.dialplan.contexts["office"].extensions] == ["1", "2"]
    assert found.lines["office", "1", 1] == Line("more.conf", 1)
    assert found.lines["other", "3", 1] == Line("more.conf", 3)


def test_what_is_not_there_and_what_only_asterisk_knows_is_told() -> None:
    found = written(
        "#tryinclude gone.conf\n#include lost.conf\n#exec /bin/x\n[office]\nsame => n,X\n"
    )
    told = [(str(each.line), each.is_unknown) for each in found.remarks]
    assert told == [
        ("extensions.conf:2", False),
        ("extensions.conf:3", True),
        ("extensions.conf:5", False),
    ]
    assert "no dialplan at all" in found.remarks[0].why


def test_file_that_includes_itself_ends() -> None:
    found = written("#include a.conf\n", a="#include a.conf\n[office]\n")
    assert "office" in found.dialplan.contexts
    assert any("includes itself" in each.why for each in found.remarks)


def test_global_variables_stand_in_names_and_in_each_other() -> None:
    text = "[globals]\nA=10\nB=${A}1\n[office]\nexten => ${B},1,NoOp()\ninclude => ctx-${A}\n"
    found = written(text)
    assert found.variables == {"A": "10", "B": "101"}
    assert found.dialplan.contexts["office"].extensions[0].name == "101"
    assert found.dialplan.contexts["office"].includes[0].context == "ctx-10"


@pytest.mark.parametrize(
    ("line", "application", "data"),
    [
        ("exten => 1,1,Hangup", "Hangup", ""),
        ("exten=>1,1,Dial(A/${B(c)},20)", "Dial", "A/${B(c)},20"),
        ("exten => 1,1, NoOp(a,b) rest", "NoOp", "a,b"),
        ("exten => 1,1,NoOp(open", "NoOp", "open"),
        ("exten = 1 , 1 , NoOp()", "NoOp", ""),
    ],
)
def test_application_and_what_it_is_given(line: str, application: str, data: str) -> None:
    assert steps(f"[office]\n{line}\n", "1") == [(1, application, data)]


def test_brackets_hold_commas_and_a_switch_is_kept() -> None:
    found = dialplan("[office]\nexten => _[1,2]X,1,NoOp()\nlswitch => Lua/x\nignorepat => 9\n")
    assert found.contexts["office"].extensions[0].name == "_[1,2]X"
    assert found.contexts["office"].switches == ("Lua/x",)


def test_value_is_added_to_and_a_line_before_any_section_is_told() -> None:
    file = SourceFile(name="x.conf", text="a = 1\n[s]\nb = 1\nb += 2\nc\n[open\n")
    config = read_config(file, lambda _name: [])
    assert config.categories[0].last("b") == "12"
    assert [each.line.number for each in config.remarks] == [1, 5, 6]


SHOWN = """[ Context 'office' created by 'pbx_config' ]
  '101' =>          1. NoOp(a)                                    [extensions.conf:12]
     [ring]         2. Dial(PJSIP/1,20)                           [more.conf:3]
  '_0X.' (CID match '1001') => 1. Hangup()                        [extensions.conf:15]
  'parked' =>       1. Park()                                     [res_parking]
  Include =>        'tollgate'                                    [extensions.conf:9]

[ Context 'other' created by 'pbx_config' ]
  '101' =>          1. Hangup()                                   [extensions.conf:20]
"""


def test_asterisks_own_listing_says_where_each_priority_is_written() -> None:
    assert lines_shown(SHOWN) == {
        ("office", "101", 1): Line("extensions.conf", 12),
        ("office", "101", 2): Line("more.conf", 3),
        ("office", "_0X./1001", 1): Line("extensions.conf", 15),
        ("other", "101", 1): Line("extensions.conf", 20),
    }
