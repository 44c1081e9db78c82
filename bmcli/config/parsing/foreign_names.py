"""Names from other programs, and bm's names for the same things. Imports nothing."""

from __future__ import annotations

from collections.abc import Iterator

_SECTIONS: dict[str, str] = {
    "": "name seed code data model init_from training evaluation preprocessing trackers extends",
    "data": "path kind task pair target features delimiter label_delimiter header quoting columns split id "
    "group class_pattern split_folders follow_links test validation limit augment skip_unusable cache_gib",
    "preprocessing": "image table",
    "preprocessing.image": "size channels fit window normalization",
    "preprocessing.text": "tokenizer vocabulary max_length truncate lowercase",
    "preprocessing.table": "scaling max_categories",
    "init_from": "run freeze",
    "training": "epochs batch_size batch_by_length optimizer schedule gradient_clipping label_smoothing "
    "class_weights ema precision xla monitor early_stopping finetune checkpoint",
    "training.finetune": "head_epochs layer_decay adapters batch_norm",
    "training.finetune.adapters": "rank alpha",
    "training.optimizer": "learning_rate weight_decay beta_1 beta_2 epsilon",
    "training.early_stopping": "patience min_delta",
    "training.checkpoint": "every_minutes keep",
    "training.schedule": "warmup_epochs",
    "evaluation": "splits metrics top_k views",
}
"""The keys by their own names, for keys given as options (`--label-smoothing 0.1`); a test compares the list
with the schema. `text` and `missing`, which occur twice, are left to the schema's own search."""

_OTHER_WORDS: dict[str, str] = {
    "training.optimizer.learning_rate": "lr learningrate eta step_size base_lr max_lr initial_lr lr0",
    "training.optimizer.weight_decay": "wd decay weightdecay l2",
    "training.batch_size": "batch bs batchsize train_batch_size per_device_train_batch_size minibatch "
    "minibatch_size mini_batch_size",
    "training.epochs": "epoch num_epochs n_epochs max_epochs nb_epochs num_train_epochs max_iter iterations",
    "training.optimizer": "optim opt solver",
    "training.schedule": "scheduler lr_scheduler lr_schedule learning_rate_schedule lr_scheduler_type",
    "training.schedule.warmup_epochs": "warmup",
    "training.gradient_clipping": "clip clipnorm grad_clip gradient_clip gradient_clip_val max_grad_norm "
    "global_clipnorm",
    "training.label_smoothing": "smoothing label_smoothing_factor",
    "training.class_weights": "class_weight",
    "training.precision": "amp fp16 bf16 half mixed_precision dtype",
    "training.finetune": "fine_tune finetuning fine_tuning",
    "training.finetune.adapters": "lora peft adapter low_rank",
    "training.finetune.adapters.rank": "lora_rank lora_r",
    "training.finetune.adapters.alpha": "lora_alpha",
    "training.finetune.layer_decay": "layerwise_lr_decay layer_lr_decay llrd discriminative",
    "training.early_stopping": "earlystopping early_stop",
    "training.early_stopping.patience": "early_stopping_patience",
    "seed": "random_seed random_state rng_seed manual_seed",
    "data": "dataset datasets",
    "data.path": "data_dir data_path datadir root folder train_dir csv train_file",
    "data.target": "label labels target_column label_column class_column y outcome response",
    "data.text": "text_column text_col sentence",
    "data.pair": "text_pair sentence_pair pairs",
    "data.features": "columns_used feature_columns inputs x",
    "data.validation": "val valid validation_split val_split validation_size val_size validation_fraction "
    "val_data validation_data",
    "data.test": "test_split test_size test_data test_fraction",
    "data.augment": "augmentation augmentations augmenting transforms transform",
    "data.delimiter": "sep separator",
    "data.limit": "max_samples max_train_samples subset",
    "model": "network net arch architecture backbone",
    "init_from": "weights pretrained initial_weights init",
    "init_from.freeze": "frozen freeze_layers",
    "preprocessing.image.size": "imgsz img_size image_size input_size resize resolution",
    "preprocessing.image.normalization": "normalize normalise normalisation",
    "preprocessing.text.max_length": "max_len maxlen seq_len sequence_length max_seq_length",
    "preprocessing.text.vocabulary": "vocab vocab_size max_tokens num_words max_features",
    "preprocessing.table.scaling": "scaler scale",
    "evaluation.metrics": "metric",
    "evaluation.top_k": "topk",
    "evaluation.views": "tta",
    "trackers": "tracker logger loggers report_to",
}

NAMES: dict[str, dict[str, str]] = {
    "model": {
        **dict.fromkeys(("rnn", "lstm", "bilstm", "recurrent"), "gru"),
        **dict.fromkeys(("bert", "distilbert", "attention", "gpt"), "transformer"),
        **dict.fromkeys(("dnn", "ann", "nn", "fc", "dense", "feedforward", "perceptron"), "mlp"),
        **dict.fromkeys(("conv", "convnet", "lenet", "vgg", "vgg16"), "cnn"),
        **dict.fromkeys(
            ("logistic", "logreg", "logistic_regression", "ols", "ridge", "regression"), "linear"
        ),
    },
    "optimizer": {"momentum": "sgd", "gd": "sgd", "nesterov": "sgd"},
    "schedule": {
        **dict.fromkeys(("cosineannealing", "cosine_annealing", "cosineannealinglr"), "cosine"),
        **dict.fromkeys(("none", "off", "fixed", "flat"), "constant"),
        **dict.fromkeys(("steplr", "multistep", "staircase"), "step"),
        **dict.fromkeys(("exp", "exponentiallr"), "exponential"),
        **dict.fromkeys(("onecyclelr", "1cycle", "one-cycle"), "one_cycle"),
        "triangular": "one_cycle",
    },
    "augmentation": {
        **dict.fromkeys(("hflip", "horizontal_flip", "random_flip", "mirror"), "flip"),
        **dict.fromkeys(("shift", "translate", "translation", "random_crop"), "crop"),
        **dict.fromkeys(("rotate", "random_rotation", "affine"), "rotation"),
        **dict.fromkeys(("erase", "erasing", "random_erasing"), "cutout"),
        **dict.fromkeys(
            ("jitter", "color_jitter", "colour", "brightness", "contrast", "saturation"),
            "color",
        ),
    },
}
"""For each kind of component: names in other programs, and bm's name."""

VALUES: dict[str, dict[str, tuple[str, ...]]] = {
    "precision": {
        **dict.fromkeys(("fp32", "float", "full", "single", "f32", "32"), ("float32",)),
        **dict.fromkeys(("bf16", "mixed_bfloat16", "mixed", "half", "fp16", "float16", "16"), ("bfloat16",)),
    },
    "task": {
        **dict.fromkeys(("classification", "classify", "categorical"), ("multiclass", "binary")),
        **dict.fromkeys(("regress", "continuous", "numeric"), ("regression",)),
    },
    "kind": {
        **dict.fromkeys(("photo", "photos", "picture", "pictures", "vision"), ("image",)),
        **dict.fromkeys(("tabular", "csv", "rows", "structured"), ("table",)),
        **dict.fromkeys(("nlp", "document", "documents", "string"), ("text",)),
    },
    "channels": {
        **dict.fromkeys(("rgb", "color", "colour"), ("3",)),
        **dict.fromkeys(("gray", "grey", "grayscale", "greyscale", "l"), ("1",)),
    },
    "fit": {"stretch": ("squash",), "center_crop": ("crop",), "letterbox": ("pad",), "padding": ("pad",)},
    "class_weights": dict.fromkeys(("true", "auto", "yes", "on", "inverse"), ("balanced",)),
    "scaling": {"zscore": ("standard",), "z-score": ("standard",), "standardize": ("standard",)},
    "views": dict.fromkeys(("true", "mirror", "hflip"), ("flip",)),
    "type": {
        **dict.fromkeys(("int", "integer", "float", "numeric", "double"), ("number",)),
        **dict.fromkeys(("str", "string"), ("text", "category")),
        **dict.fromkeys(("categorical", "enum", "factor"), ("category",)),
        **dict.fromkeys(("datetime", "timestamp", "time"), ("date",)),
        **dict.fromkeys(("drop", "skip", "exclude", "none"), ("ignore",)),
    },
}
"""For keys with fixed choices: words from other programs, and what they may mean."""


def key_of(word: str) -> str | None:
    """'training.optimizer.learning_rate' for 'lr'; for a key's own name, its place."""
    return _by_word().get(word.lower().replace("-", "_"))


def words() -> Iterator[tuple[str, str]]:
    """Every such word, and the key that it stands for."""
    yield from _by_word().items()


def _by_word() -> dict[str, str]:
    known: dict[str, str] = {}
    for section, keys in _SECTIONS.items():
        for key in keys.split():
            known.setdefault(key, f"{section}.{key}".lstrip("."))
    for key, others in _OTHER_WORDS.items():
        for word in others.split():
            known.setdefault(word, key)
    return known
