#!/usr/bin/env python3
"""Plants one fault of each kind that tools/tidy looks for into a small made tree, and sees it found."""
import importlib.machinery
import importlib.util
import tempfile
import unittest
from pathlib import Path

LOADER = importlib.machinery.SourceFileLoader("tidy", str(Path(__file__).with_name("tidy")))
tidy = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", LOADER))
LOADER.exec_module(tidy)

CLEAN = {
    "src/base/a.h": "// What a is.\n#pragma once\n\n#include <vector>\n",
    "src/base/a.cc": '#include "base/a.h"\n\nint a() { return 1; }\n',
    "src/base/a_test.cc": '#include "base/a.h"\n',
    "src/kv/b.cc": '#include "base/a.h"\n#include "kernels/c.h"\n#include "cairn/status.h"\n',
    "src/kernels/c.h": '// What c is.\n#pragma once\n#include "base/a.h"\n',
    "docs/page.md": "See `src/base/a.h`, `src/kv/` and `build/cairn`, and/or `x/y`.\n",
}


def function_of(line_count):
    return "int f() {\n" + "  g();\n" * (line_count - 2) + "}\n"


class Tidy(unittest.TestCase):
    def findings(self, planted):
        with tempfile.TemporaryDirectory() as folder:
            for path, text in {**CLEAN, **planted}.items():
                file = Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            return tidy.findings(Path(folder), {})

    def assert_caught(self, path, text, word):
        found = self.findings({path: text})
        self.assertEqual(len(found), 1, found)
        self.assertIn(path, found[0])
        self.assertIn(word, found[0])

    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(self.findings({}), [])

    def test_upward_and_sideways_includes(self):
        for path in ("src/base/z.cc", "src/base/z_test.cc"):
            self.assert_caught(path, '#include "kernels/c.h"\n', "base may not include")
        self.assert_caught("src/kv/z.cc", '#include "model/m.h"\n', "kv may not include")
        self.assert_caught("src/model/z.cc", '#include  <kv/b.h>\n', "model may not include")
        self.assert_caught("include/cairn/z.h", '// Z.\n#pragma once\n#include "base/a.h"\n', "include may not")
        self.assert_caught("examples/z.cc", '#include "base/a.h"\n', "examples may not")

    def test_a_file_without_a_room(self):
        self.assert_caught("src/attic/z.cc", "int z;\n", "no room")
        self.assert_caught("src/z.cc", "int z;\n", "no room")

    def test_flags_in_messages_below_cli(self):
        self.assert_caught("src/kv/z.cc", 'f("ask for a larger --context");\n', "--context is a flag")
        self.assert_caught("src/base/z.cc", 'f("a", "more (--kv-memory)");\n', "--kv-memory is a flag")
        for text in ('f("ask for a larger `context`");\n', '// As "--isa" says.\n', 'f("the-final--count", --x);\n'):
            self.assertEqual(self.findings({"src/kv/z.cc": text}), [])
        self.assertEqual(self.findings({"src/cli/z.cc": 'f("a larger --context");\n'}), [])

    def test_headers(self):
        self.assert_caught("src/base/z.h", "// Z.\nint z;\n", "#pragma once")
        self.assert_caught("src/base/z.h", "#pragma once\n", "opens with a comment")
        self.assert_caught("src/base/a.cc", '#include <vector>\n#include "base/a.h"\n', "first include")
        self.assert_caught("src/base/z.cc", '#include "a.h"\n', "without its room")

    def test_sizes(self):
        self.assert_caught("src/base/z.cc", "int z;\n" * 601, "two files")
        self.assertEqual(self.findings({"src/base/z.cc": function_of(70)}), [])
        self.assert_caught("src/base/z.cc", function_of(71), "f has 71 lines")
        broken = "int f(int first,\n      int second) {\n" + "  g();\n" * 70 + "}\n"
        self.assert_caught("src/base/z.cc", broken, "f has 73 lines")

    def test_the_ratchet_holds_and_only_shrinks(self):
        row = {tidy.RATCHET: "# sins\nsrc/base/z.cc:f 80\n"}
        self.assertEqual(self.findings({**row, "src/base/z.cc": function_of(80)}), [])
        self.assertIn("f has 81", self.findings({**row, "src/base/z.cc": function_of(81)})[0])
        self.assertIn("is 75 now", self.findings({**row, "src/base/z.cc": function_of(75)})[0])
        self.assertIn("within the limit", self.findings({**row, "src/base/z.cc": function_of(20)})[0])

    def test_text(self):
        self.assert_caught("src/base/z.cc", "int\tz;\n", "a tab")
        self.assert_caught("src/base/z.cc", "int z; \n", "blanks at the end")
        self.assert_caught("src/base/z.cc", "int z;", "no newline")
        self.assert_caught("src/base/z.cc", "// /ho" + "me/somebody/x\n", "home folder")
        self.assert_caught("src/base/z.cc", "// see /ro" + "ot/x\n", "home folder")

    def test_names_in_documents(self):
        self.assert_caught("docs/page.md", "See `src/base/gone.h`.\n", "does not exist")
        self.assert_caught("README.md", "See `docs/gone.md`.\n", "does not exist")

    def test_files_that_comments_name(self):
        fine = "// See a.h, base/a.h, src/base/a.cc and <hwy/highway.h>.\nint z;  // as kernels/c.h\n"
        self.assertEqual(self.findings({"src/base/z.cc": fine}), [])
        self.assert_caught("src/base/z.cc", "int z;  // see gone.h\n", "there is no gone.h")
        self.assert_caught("src/base/z.cc", "// As kernels/a.h says.\n", "there is no kernels/a.h")
        self.assert_caught("src/base/z.cc", "// For gone.cc.\n", "there is no gone.cc")

    def page(self, rooms):
        rows = (f"| `src/{room}/` | what lives there | {', '.join(below) or 'nothing'} |\n" for room, below in rooms.items())
        return "".join(rows)

    def test_the_table_of_rooms(self):
        rooms = dict(tidy.STAIRCASE)
        tree = {f"src/{room}/z.cc": "int z;\n" for room in rooms}

        def findings(rooms):
            return self.findings({**tree, "docs/architecture.md": self.page(rooms)})

        self.assertEqual(findings(rooms), [])
        self.assertIn("kv may include store, kernels, base", findings({**rooms, "kv": ["base"]})[0])
        self.assertIn("base may include no other room", findings({**rooms, "base": ["kv"]})[0])
        self.assertIn("no room attic", "".join(findings({**rooms, "attic": []})))
        del rooms["text"]
        self.assertIn("lacks `src/text/`", findings(rooms)[0])

    def test_rooms_of_the_build(self):
        self.assertEqual(self.findings({"CMakeLists.txt": "cairn_room(base)\ncairn_room(kv base kernels store)\n"}), [])
        self.assert_caught("CMakeLists.txt", "cairn_room(kernels base kv)\n", "kernels may include base")

    def test_copies(self):
        header = {"src/base/z.h": "// Z:\n//   one = two  what\n//       | three\n//\n// End.\n#pragma once\n"}
        copy = "<!-- copied from src/base/z.h -->\n\n    one = two  what\n        | three\n\nMore.\n"
        self.assertEqual(self.findings({**header, "docs/z.md": copy}), [])
        for planted in (copy.replace("three", "four"), copy.replace("src/base/z.h", "src/base/gone.h"),
                        copy.replace("    ", "")):
            self.assertIn("no copy", self.findings({**header, "docs/z.md": planted})[0])


if __name__ == "__main__":
    unittest.main()
