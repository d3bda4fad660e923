"""What one of several tasks ended with."""

import asyncio

import pytest

from assembly.task_errors import raised_alone


async def fail(error: Exception) -> None:
    raise error


async def in_a_group(*errors: Exception) -> None:
    async with asyncio.TaskGroup() as tasks:
        for error in errors:
            tasks.create_task(fail(error))


async def test_the_first_error_of_the_kind_is_raised_as_itself() -> None:
    first, second = KeyError("first"), KeyError("second")
    with pytest.raises(KeyError) as raised, raised_alone(LookupError):
        await in_a_group(first, second)
    assert raised.value is first
    assert raised.value.__suppress_context__  # nobody reads of the group


async def test_one_in_a_group_within_a_group_is_raised_as_itself() -> None:
    async def nested() -> None:
        await in_a_group(KeyError("inner"))

    with pytest.raises(KeyError, match="inner"), raised_alone(KeyError):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(nested())


async def test_errors_of_other_kinds_stay_in_their_group() -> None:
    with pytest.raises(ExceptionGroup) as raised, raised_alone(KeyError):
        await in_a_group(ValueError("other"))
    assert [str(each) for each in raised.value.exceptions] == ["other"]


async def test_without_an_error_nothing_is_raised() -> None:
    with raised_alone(KeyError):
        await in_a_group()
