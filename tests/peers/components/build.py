"""Makes a component of app.py: `python build.py OUT`. Known limitation: the interfaces are those that come with jco, so
`make setup` must have installed that, too."""

import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
JCO = HERE.parent / "node_modules/@bytecodealliance/jco/lib/wit/builtin/0.2.12"

world = "package local:app;\nworld function { include wasi:http/proxy@0.2.10; }\n"
for package in sorted(JCO.iterdir()):
    text = (package / "package.wit").read_text().replace("0.2.12", "0.2.10")
    world += re.sub(r"^package ([^;]+);", r"package \1 {", text, count=1, flags=re.MULTILINE) + "}\n"

with tempfile.TemporaryDirectory() as folder:
    wit = pathlib.Path(folder) / "world.wit"
    wit.write_text(world)
    tool = [pathlib.Path(sys.executable).with_name("componentize-py"), "--wit-path", folder, "--world", "function"]
    subprocess.run([*tool, "componentize", "app", "--python-path", HERE, "--output", sys.argv[1]], check=True)
