"""Makes `folders/`: tiny random models of each family, with what transformers computes with them.

Run with the packages torch and transformers, which bm does not use (made with transformers 5.24.0, torch
2.14.1, tokenizers 0.23.3):

    python tests/pretrained/make_folders.py

Each folder is what `save_pretrained` writes; `reference.npz` holds for TEXTS, cut to LENGTH tokens:

    ids      int32 [texts, LENGTH], padded with the model's padding
    states   float32 [texts, LENGTH, width], the last hidden states; those of padding mean nothing
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
FOLDERS = HERE / "folders"
LENGTH = 24

TEXTS = [
    "",
    "A fine film.",
    "Café déjà vu — naïve façade, Ångström, ﬁne, İstanbul",
    "Straße, GROẞ und Maß",
    "我们去看电影吧 日本語のテキスト 한국어 문장",
    "🎬 great 👍🏽 👨‍👩‍👧 🇩🇪!!",
    "control\x00 char\x07acters\x1b and\x7f \u200bzero\u200dwidth \ufeff \u00a0 non\u2028breaking",
    "tabs\tand\nnew lines\r\n   and   spaces   ",
    "don't can't we're it's... (well?) [SEP] <s> </s> [MASK]x <mask> y",
    "supercalifragilisticexpialidocious" * 4,
    "word " * 600,
    "1,234.56 €100 50% #tag @user http://a.b/c?d=e&f=g",
    "e\u0301 combining a\u0308\u0323 ñ n\u0303 \u0130 ǅ ﬆ Ⅷ ½",
    "العربية עברית हिन्दी ภาษาไทย Ελληνικά Русский",
    "UPPER lower MiXeD",
]
CORPUS = [*TEXTS[1:10], *TEXTS[11:], "the a of and film good bad is was not it fine great that this"] * 3

QUIET = {"show_progress": False}


def word_pieces(special: list[str], lowercase: bool = True) -> list[str]:
    """A vocabulary of WordPiece, learned from CORPUS."""
    from tokenizers import BertWordPieceTokenizer

    made = BertWordPieceTokenizer(lowercase=lowercase)
    made.train_from_iterator(
        CORPUS, vocab_size=260, min_frequency=1, special_tokens=special, show_progress=False
    )
    vocabulary = made.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def byte_pairs(special: list[str]) -> tuple[dict[str, int], list[str]]:
    """A vocabulary of byte-level BPE and its merges."""
    from tokenizers import ByteLevelBPETokenizer

    made = ByteLevelBPETokenizer()
    made.train_from_iterator(
        CORPUS, vocab_size=330, min_frequency=1, special_tokens=special, show_progress=False
    )
    document = json.loads(made.to_str())["model"]
    return document["vocab"], [" ".join(pair) for pair in document["merges"]]


def pieces(special: list[str]) -> list[tuple[str, float]]:
    """A vocabulary of a unigram model."""
    from tokenizers import SentencePieceUnigramTokenizer

    made = SentencePieceUnigramTokenizer()
    made.train_from_iterator(CORPUS, vocab_size=250, special_tokens=special, **QUIET, unk_token="<unk>")
    return [(token, score) for token, score in json.loads(made.to_str())["model"]["vocab"]]


def bert_like(name: str, folder: Path, **options: object) -> None:
    """vocab.txt and tokenizer_config.json alone: what older folders have."""
    folder.mkdir(parents=True)
    special = options.pop("special")
    lines = word_pieces(special, bool(options.get("do_lower_case", True)))
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n", "utf-8")
    said = {"tokenizer_class": name, **options}
    (folder / "tokenizer_config.json").write_text(json.dumps(said), "utf-8")


def tokenizers(source: Path) -> None:
    """Of each family, in the form that its folders often have."""
    import transformers

    bert = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    bert_like("BertTokenizer", source / "bert", special=bert)
    bert_like("BertTokenizer", source / "bert-cased", special=bert, do_lower_case=False)
    bert_like("DistilBertTokenizer", source / "distilbert", special=bert, strip_accents=False)
    bert_like("ElectraTokenizer", source / "electra", special=bert, tokenize_chinese_chars=False)
    bert_like("MPNetTokenizer", source / "mpnet", special=["<s>", "<pad>", "</s>", "[UNK]", "<mask>"])
    folder = source / "roberta"
    folder.mkdir()
    vocabulary, merges = byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer"}', "utf-8")
    xlm = transformers.XLMRobertaTokenizer(vocab=pieces(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]))
    xlm.save_pretrained(source / "xlm-roberta")


SIZES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 20,
    "initializer_range": 0.4,
}  # fmt: skip
DISTIL = {"dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 20, "initializer_range": 0.4}

MODELS: dict[str, tuple[str, dict[str, object]]] = {
    "bert": ("BertModel", {**SIZES, "max_position_embeddings": 40}),
    "bert-cased": (
        "BertForMaskedLM",
        {**SIZES, "max_position_embeddings": 40, "hidden_act": "gelu_new", "layer_norm_eps": 1e-3},
    ),
    "distilbert": ("DistilBertForMaskedLM", {**DISTIL, "max_position_embeddings": 40, "activation": "relu"}),
    "roberta": ("RobertaForMaskedLM", {**SIZES, "max_position_embeddings": 42, "type_vocab_size": 1}),
    "xlm-roberta": (
        "XLMRobertaModel",
        {**SIZES, "max_position_embeddings": 42, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    ),
    "electra": (
        "ElectraForPreTraining",
        {**SIZES, "max_position_embeddings": 40, "embedding_size": 12, "hidden_act": "silu"},
    ),
    "mpnet": ("MPNetForMaskedLM", {**SIZES, "max_position_embeddings": 42}),
}


def make(name: str, source: Path) -> None:
    """One folder and its reference."""
    import torch
    import transformers

    tokenizer = (
        transformers.AutoTokenizer.from_pretrained(source / name)
        if name != "xlm-roberta"
        else (transformers.XLMRobertaTokenizer.from_pretrained(source / name))
    )
    kind, options = MODELS[name]
    model_class = getattr(transformers, kind)
    special = {"pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(len(name))
    model = model_class(model_class.config_class(vocab_size=len(tokenizer), **special, **options)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases and normalisations too, so that none is forgotten
            parameter.add_(torch.randn_like(parameter) * 0.1)
    folder = FOLDERS / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    for file in sorted((source / name).iterdir()):
        shutil.copy(file, folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    given = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
    given.pop("token_type_ids", None)
    base = model.base_model
    with torch.no_grad():
        states = base(**given).last_hidden_state.numpy()
    np.savez_compressed(
        folder / "reference.npz",
        ids=given["input_ids"].numpy().astype(np.int32),
        used=given["attention_mask"].numpy().astype(bool),
        states=states.astype(np.float32),
    )


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as made:
        tokenizers(Path(made) / "t")
        for each in MODELS:
            make(each, Path(made) / "t")
