#!/usr/bin/env python3
"""Plants one fault of each kind that tools/web_build looks for into a small made page, and sees it found."""
import gzip
import importlib.machinery
import importlib.util
import tempfile
import unittest
from pathlib import Path

LOADER = importlib.machinery.SourceFileLoader("web_build", str(Path(__file__).with_name("web_build")))
web_build = importlib.util.module_from_spec(importlib.util.spec_from_loader("web_build", LOADER))
LOADER.exec_module(web_build)

SOURCES = {
    "index.html": "<p>",
    "package.json": "{}",
    "package-lock.json": "{}",
    "public/icon.svg": "<svg/>",
    "src/main.tsx": "main();",
    "src/view/app.tsx": "app();",
    "tsconfig.json": "{}",
    "vite.config.ts": "export default {};",
}
BUILT = {"index.html": b"<p>built", "app.js": b"main();app();"}


class WebBuild(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.web = Path(folder.name)
        for name, text in SOURCES.items():
            self.put(name, text.encode())
        for name, data in BUILT.items():
            self.put(f"dist/{name}.gz", web_build.pack(data))
        self.put("dist/SOURCES.sha256", web_build.list_text(web_build.sources_of(self.web), BUILT).encode())

    def put(self, name, data):
        path = self.web / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def assert_found(self, *words):
        faults = web_build.check_sources(self.web)
        for word in words:
            self.assertTrue(any(word in fault for fault in faults), faults)

    def test_what_is_current_passes(self):
        self.assertEqual(web_build.check_sources(self.web), [])

    def test_a_changed_source(self):
        self.put("src/view/app.tsx", b"other();")
        self.assertEqual(web_build.check_sources(self.web),
                         ["web/src/view/app.tsx is not the one that web/dist was built from."])

    def test_a_new_and_a_removed_source(self):
        self.put("src/new.ts", b"")
        (self.web / "public/icon.svg").unlink()
        self.assert_found("src/new.ts", "public/icon.svg")

    def test_a_built_file_of_another_build(self):
        self.put("dist/app.js.gz", web_build.pack(b"other();"))
        self.assert_found("web/dist/app.js ")

    def test_a_missing_page_and_a_missing_list(self):
        (self.web / "dist/index.html.gz").unlink()
        self.assert_found("has no page in it")
        (self.web / "dist/SOURCES.sha256").unlink()
        self.assert_found("web/src/main.tsx")

    def test_a_file_that_is_not_packed_so_that_it_is_the_same_everywhere(self):
        self.put("dist/app.js.gz", gzip.compress(BUILT["app.js"], mtime=1))
        self.assert_found("has a name or a time in it")

    def test_a_file_that_is_cut_off_and_a_stranger(self):
        self.put("dist/app.js.gz", web_build.pack(BUILT["app.js"])[:-4])
        self.put("dist/app.js", b"x")
        self.assert_found("cannot be unpacked", "is no built file")

    def test_packing_is_the_same_each_time_and_unpacks(self):
        packed = web_build.pack(b"x" * 1000)
        self.assertEqual(packed, web_build.pack(b"x" * 1000))
        self.assertEqual(gzip.decompress(packed), b"x" * 1000)

    def test_a_missing_source_folder_says_which(self):
        (self.web / "vite.config.ts").unlink()
        with self.assertRaisesRegex(SystemExit, "vite.config.ts is not there"):
            web_build.check_sources(self.web)


if __name__ == "__main__":
    unittest.main()
