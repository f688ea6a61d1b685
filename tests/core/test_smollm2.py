"""From a question to token ids on a real pretrained chat model."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from coconut_core.config import CoconutConfig
from coconut_core.prompt import question_ids

pytestmark = pytest.mark.smollm2
QUESTION = "What is the capital of France?"


def test_a_question_is_encoded_as_its_chat_template_has_it(smollm2_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder)
    assert tokenizer.unk_token_id is not None
    config = CoconutConfig(bot_id=0, eot_id=0, latent_id=0, chat=True)
    expected = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], add_generation_prompt=True, return_dict=False
    )
    assert question_ids(tokenizer, f" {QUESTION}\n", config) == expected
