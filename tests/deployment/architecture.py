"""The processor that packages are built for, against the one they are deployed for.

`python architecture.py packages [--config-env NAME]` looks at what `sam build` built; run it before a deployment.
`python architecture.py settings` shows for every environment of samconfig.toml that its build and its deployment agree, with a
compiler that only notes what it is asked for.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tomlkit
import yaml

from timers import Loader

# e_machine of an ELF header.
MACHINES = {62: "x86_64", 183: "arm64"}
ARCHITECTURE = re.compile(r'\bArchitecture="?(\w+)"?')

# Stands in for cargo: notes for which processor a function is built, and leaves the file that is packed then.
COMPILER = """#!/bin/sh
[ "$1 $2" = "lambda build" ] || exec "{cargo}" "$@"
name=$(basename "$PWD")
case " $* " in *" --arm64 "*) processor=arm64 ;; *) processor=x86_64 ;; esac
echo "$name $processor" >> "{notes}"
mkdir -p "$CARGO_TARGET_DIR/lambda/$name"
echo "$processor" > "$CARGO_TARGET_DIR/lambda/$name/bootstrap"
"""


def functions(template):
    """Folders of the functions' code."""
    resources = yaml.load(template.read_text(), Loader)["Resources"]
    return {
        name: resource["Properties"]["CodeUri"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def default_architecture(template):
    """What the template builds and deploys for when nobody says anything."""
    return yaml.load(template.read_text(), Loader)["Parameters"]["Architecture"]["Default"]


def configured(project, environment, command):
    """What an environment of samconfig.toml says for one of SAM's commands."""
    tables = tomlkit.parse((project / "samconfig.toml").read_text()).unwrap()[environment]
    for table in (command, "global"):
        overrides = tables.get(table, {}).get("parameters", {}).get("parameter_overrides")
        if overrides is not None:
            text = overrides if isinstance(overrides, str) else " ".join(overrides)
            if found := ARCHITECTURE.search(text):
                return found.group(1)
            break
    return default_architecture(project / "template.yaml")


def environments(project):
    """Names of the environments in samconfig.toml."""
    file = tomlkit.parse((project / "samconfig.toml").read_text()).unwrap()
    return [name for name, table in file.items() if isinstance(table, dict)]


def machine(binary):
    """The processor a program is for."""
    header = binary.read_bytes()[:20]
    if header[:4] != b"\x7fELF":
        return "no program"
    number = int.from_bytes(header[18:20], "little")
    return MACHINES.get(number, f"the processor {number}")


def wrong_packages(project, environment):
    """Packages that would not start where they are deployed."""
    wanted = configured(project, environment, "deploy")
    built = project / ".aws-sam" / "build"
    for name, code in functions(built / "template.yaml").items():
        found = machine(built / code / "bootstrap")
        if found != wanted:
            yield f"{name} is built for {found} and would be deployed for {wanted}: sam build --config-env {environment}"


def wrong_settings(project):
    """Environments whose build and deployment do not agree."""
    names = environments(project)
    expected = {"default": "x86_64", "arm64": "arm64"}
    if not expected.keys() <= set(names):
        yield f"samconfig.toml has the environments {names}, without {sorted(expected.keys() - set(names))}"
        return
    for environment in names:
        wanted = configured(project, environment, "deploy")
        if wanted != expected.get(environment, wanted):
            yield f"the environment {environment} deploys for {wanted}"
        asked = asked_of_the_compiler(project, environment)
        if asked.keys() != {Path(code).name for code in functions(project / "template.yaml").values()}:
            yield f"the environment {environment} builds {sorted(asked)}"
        for function, processor in asked.items():
            if processor != wanted:
                yield f"the environment {environment} builds {function} for {processor} and deploys it for {wanted}"


def asked_of_the_compiler(project, environment):
    """For which processor `sam build` asks to build each function."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        notes = folder / "notes"
        compiler = folder / "bin" / "cargo"
        compiler.parent.mkdir()
        compiler.write_text(COMPILER.format(cargo=shutil.which("cargo"), notes=notes))
        compiler.chmod(0o755)
        environ = {
            **os.environ,
            "PATH": f"{compiler.parent}{os.pathsep}{os.environ['PATH']}",
            "CARGO_TARGET_DIR": str(folder / "target"),
        }
        done = subprocess.run(
            ["sam", "build", "--config-env", environment, "--build-dir", str(folder / "build")],
            cwd=project, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"sam build --config-env {environment} ended with {done.returncode}: {done.stdout[-1500:]}")
        return dict(line.split() for line in notes.read_text().splitlines())


def main():
    """Prints what does not fit; the exit code is 0 when everything does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["packages", "settings"])
    parser.add_argument("--config-env", default="default")
    arguments = parser.parse_args()
    project = Path(__file__).resolve().parents[2]
    if arguments.what == "packages":
        found = list(wrong_packages(project, arguments.config_env))
        good = f"the packages are built for {configured(project, arguments.config_env, 'deploy')}, as they are deployed"
    else:
        found = list(wrong_settings(project))
        good = f"build and deployment agree in {', '.join(environments(project))}"
    print("\n".join(found) or good)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
