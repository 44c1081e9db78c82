"""Fine-tune a text encoder in a plain PyTorch loop with transformers, or predict with it.

python benchmarks/scripts/pytorch_encoder.py train sentences.jsonl all-MiniLM-L6-v2 --precision bfloat16

AdamW at 5e-5 with linear decay, batches in random order, each padded to its longest sentence; for predictions
batches in the order of the file. float32, or autocast to bfloat16. It knows nothing of bm; each line of the
file is JSON with `text` and `label`. The last line of its output is JSON, as `finetune.py` reads it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

RATE, WARMUP = 5e-5, 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("task", choices=("train", "predict"))
    parser.add_argument("sentences", type=Path)
    parser.add_argument("weights", help="a folder as Hugging Face lays it out")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=1, help="timed ones, after one that is not")
    parser.add_argument("--max-length", type=int, default=128)
    arguments = parser.parse_args()

    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    rows = [json.loads(line) for line in arguments.sentences.read_text().splitlines()]
    texts = [row["text"] for row in rows]
    names = sorted({row["label"] for row in rows})
    labels = torch.tensor([names.index(row["label"]) for row in rows])
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(arguments.weights)
    model = AutoModelForSequenceClassification.from_pretrained(arguments.weights, num_labels=len(names))

    def batches(order: Any) -> Iterator[tuple[dict[str, Any], Any]]:
        for chosen in order.split(arguments.batch_size):
            some = [texts[i] for i in chosen]
            encoded = tokenizer(
                some, padding=True, truncation=True, max_length=arguments.max_length, return_tensors="pt"
            )
            yield dict(encoded), labels[chosen]

    bfloat16 = arguments.precision == "bfloat16"

    def arithmetic() -> Any:
        return torch.autocast("cpu", dtype=torch.bfloat16) if bfloat16 else nullcontext()

    if arguments.task == "train":
        epoch = trained(model, batches, len(texts), arguments.batch_size, arguments.epochs + 1, arithmetic)
    else:
        epoch = predicted(model, batches, len(texts), arithmetic)
    print(json.dumps(measured(epoch, len(texts), arguments.epochs)))


def trained(model, batches, count, batch_size, epochs, arithmetic):
    """What trains for an epoch."""
    import torch
    from transformers import get_linear_schedule_with_warmup

    model.train()
    steps = -(-count // batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, int(WARMUP * steps * epochs), steps * epochs)

    def epoch() -> float:
        total = torch.zeros(())
        for inputs, targets in batches(torch.randperm(count)):
            with arithmetic():
                loss = model(**inputs, labels=targets).loss
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += loss.detach() * len(targets)
        return total.item() / count

    return epoch


def predicted(model, batches, count, arithmetic):
    """What predicts every sentence."""
    import torch

    model.eval()

    @torch.inference_mode()
    def epoch() -> float:
        total = 0.0
        for inputs, _ in batches(torch.arange(count)):
            with arithmetic():
                total += model(**inputs).logits.float().softmax(-1)[:, -1].sum().item()
        return total / count

    return epoch


def measured(epoch, count: int, epochs: int) -> dict[str, float]:
    """Sentences per second and processor milliseconds per sentence, the fastest of the timed epochs;
    seconds of the first epoch; what the last one returned."""
    began = time.perf_counter()
    result = epoch()
    first = time.perf_counter() - began
    seconds, processor = [], []
    for _ in range(epochs):
        began, used = time.perf_counter(), time.process_time()
        result = epoch()
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    return {
        "rate": count / min(seconds),
        "processor": 1000 * min(processor) / count,
        "first": first,
        "result": result,
    }


if __name__ == "__main__":
    main()
