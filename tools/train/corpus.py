"""From the corpus to token files: unpack, clean, train the tokenizer, encode each source once.

Writes into the work folder: tokenizer.json, one <source>.u16 of token ids for each source (documents as
<s> … </s>), chat.u16 (stories as answers to a request) and valid.u16 (stories that are never trained on).
"""
from __future__ import annotations

import argparse
import json
import re
import subprocess
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np

import gguf_file
from bpe import BOS, EOS, FIRST_PIECE, Tokenizer, count_words, train

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
WORK = Path.home() / ".cache" / "cairn-train"

# source: (file, weight of its words when the tokenizer is trained, share of the training tokens).
# The share favours simple English: a model this small writes better sentences when sentences are short.
SOURCES = {
    "tiny": ("tinystories_train_sample", 10, 0.12),
    "tiny2": ("tinystories_valid_sample", 10, 0.08),
    "story": ("storybooks_ccby", 8, 0.08),
    "folk": ("folk_fairy_tales", 2, 0.05),
    "children": ("children_chilit", 1, 0.05),
    "classics": ("classics_plain", 0.1, 0.02),
}
TEACHER = "teacher"  # teacher.txt in the work folder, if there is one: stories that teacher.c had a model write
TEACHER_SHARE = 0.48
CHAT_SHARE = 0.12
VALID_PART = 0.25  # the last part of tinystories_valid_sample: validation loss, never trained on

_MOJIBAKE = {"â€œ": '"', "â€\x9d": '"', "â€™": "'", "â€˜": "'", "â€“": "-", "â€”": "—", "â€¦": "...", "â€": '"'}
_NOUNS = """dog cat bird fish frog bear rabbit fox mouse lion duck horse cow pig bunny tiger elephant monkey owl
bee ant butterfly dragon princess king queen boy girl robot car truck boat train ball doll toy kite tree flower
garden forest park beach river sea moon star sun rain snow cake cookie apple house castle bed book hat box
balloon baby mom dad grandma friend teacher farmer pirate wizard fairy ghost monster whale turtle squirrel""".split()


def unpack(packed: Path) -> str:
    return subprocess.run(["zstd", "-dc", str(packed)], check=True, stdout=subprocess.PIPE).stdout.decode()


def clean(text: str) -> list[str]:
    """Documents of one source, in plain ASCII but for the long dash."""
    for bad, good in _MOJIBAKE.items():
        text = text.replace(bad, good)
    text = re.sub(r"\[[^\]\n]{0,12}\]|[_*{}\[\]|]", "", text.replace("<|endoftext|>", "\f"))
    text = text.replace("—", "\0").replace("–", "-")
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().replace("\0", "—")
    text = re.sub(r"[ \t\r]+", " ", text)
    text = re.sub(r" ?\n ?", "\n", text)
    text = re.sub(r"\n{3,}", "\n\n", text)
    return [d for d in (d.strip() for d in text.split("\f")) if d]


def split_valid(document: str) -> tuple[str, str]:
    """Cuts the one long document of the validation sample at a paragraph."""
    cut = document.index("\n\n", int(len(document) * (1 - VALID_PART)))
    return document[:cut].strip(), document[cut:].strip()


def as_chat(story: str) -> str | None:
    """A request that fits the story, and the story as its answer; None where no known noun stands often."""
    words = Counter(re.findall(r"[a-z]+", story.lower()))
    nouns = [(n, w) for w in _NOUNS if (n := words[w] + words[w + "s"]) >= 2]
    if not nouns:
        return None
    noun = max(nouns)[1]
    article = "an" if noun[0] in "aeiou" else "a"
    asks = (f"Tell me a story about {article} {noun}.", f"Please tell me a story about {article} {noun}.",
            f"Write a story about {article} {noun}.", f"Can you tell me a story about {article} {noun}?")
    return f"User: {asks[len(story) % len(asks)]}\nStory: {story}"


def write_ids(path: Path, tok: Tokenizer, documents: list[str]) -> int:
    ids: list[int] = []
    for d in documents:
        ids += [BOS, *tok.encode(d), EOS]
    np.array(ids, dtype=np.uint16).tofile(path)
    return len(ids)


def train_tokenizer(documents: dict[str, list[str]], vocab: int) -> Tokenizer:
    counts: Counter[str] = Counter()
    for source, docs in documents.items():
        for word, n in count_words("\n".join(docs)).items():
            counts[word] += n * SOURCES[source][1]
    return Tokenizer(train(counts, vocab))


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--corpus", type=Path, default=CORPUS)
    args.add_argument("--work", type=Path, default=WORK)
    args.add_argument("--vocab", type=int, default=4096)
    args.add_argument("--tokenizer", type=Path, help="a GGUF file of ours whose tokenizer is taken, to train it further")
    a = args.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)

    documents = {s: clean(unpack(a.corpus / f"{file}.txt.zst")) for s, (file, _, _) in SOURCES.items()}
    kept, held_out = split_valid("\n\n".join(documents["tiny2"]))
    documents["tiny2"] = re.split(r"\n\n(?=Once upon a time|One day, a |There once was)", kept)
    tok = Tokenizer.of_gguf(gguf_file.read(a.tokenizer)[0]) if a.tokenizer else train_tokenizer(documents, a.vocab)
    tok.check()
    (a.work / "tokenizer.json").write_text(json.dumps(list(zip(tok.tokens, tok.scores))[FIRST_PIECE:]))

    if (written := a.work / f"{TEACHER}.txt").exists():
        documents[TEACHER] = clean(written.read_text(errors="replace"))
    chats = [c for s in ("tiny", "tiny2", TEACHER) for d in documents.get(s, ()) if (c := as_chat(d))]
    print("vocabulary", len(tok), "chat documents", len(chats))
    for name, docs in {"valid": [held_out], **documents, "chat": chats}.items():
        n = write_ids(a.work / f"{name}.u16", tok, docs)
        size = sum(map(len, docs))
        print(f"{name:9} {len(docs):5} documents {n:9} tokens {size / n:.2f} characters a token", flush=True)


if __name__ == "__main__":
    main()
