"""Pretrained weights as others publish them: read, checked against their architecture, put into layers.

A Hugging Face folder is read as it is: `folder` its JSON files, `tensors` its weights, `tokenizer` its
tokenizer. `families` has a file for each `model_type`; `blocks` is the network that they share.
"""
