"""Tables in Markdown."""

from coconut_core.common.markdown import markdown_table


def test_numbers_stand_to_the_right_and_named_columns_to_the_left() -> None:
    rows = [["1", "2"], ["3", "4"]]
    assert markdown_table(["a", "b"], rows) == "| a | b |\n| ---: | ---: |\n| 1 | 2 |\n| 3 | 4 |"
    assert markdown_table(["a", "b"], rows[:1], left=["b"]) == "| a | b |\n| ---: | --- |\n| 1 | 2 |"
