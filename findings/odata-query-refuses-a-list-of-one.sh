#!/usr/bin/env bash
# Package:   odata-query 0.10.0 (PyPI), which parses OData v4 filters for Python.
# Behaviour: the operator `in` takes a list of two or more values but refuses a list of one, which the grammar of OData allows as
#            well. With a comma behind the only value, as Python writes a tuple, it parses; OData does not allow that form.
# Matters:   a client that reads records in groups by `number in (…)` works in every test with two records and fails for the last group
#            of a page when one is left over.
# Fails if:  the package treats one of the three lists differently.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check odata-query==0.10.0

"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen.txt"
from odata_query.exceptions import ODataException
from odata_query.grammar import ODataLexer, ODataParser

for text in ("number in ('10','20')", "number in ('10')", "number in ('10',)"):
    try:
        tree = ODataParser().parse(ODataLexer().tokenize(text))
        print(text, "->", [value.val for value in tree.right.val])
    except ODataException as error:
        print(text, "->", type(error).__name__)
PY

diff - "$folder/seen.txt" <<'SEEN'
number in ('10','20') -> ['10', '20']
number in ('10') -> ParsingException
number in ('10',) -> ['10']
SEEN
echo "as described"
