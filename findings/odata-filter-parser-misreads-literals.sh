#!/usr/bin/env bash
# Package:   odata-filter-parser 0.6.5 (npm), which turns the text of an OData filter into a tree.
# Behaviour: literals that OData writes without quotes are not refused but become other values. A GUID is read as null, a point in
#            time and a date as their year, a negative number as zero, and a decimal loses the digits that a double has no room for.
#            A quoted text that holds " and " is torn in two. Nothing is raised in any of these cases.
# Matters:   a peer or test double that filters with this parser answers "everything since 2026" where a feed asks for a moment, and
#            finds no record by its id. The simulators therefore have lexers of their own, which refuse what they do not know.
# Fails if:  the package reads one of these filters differently.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund odata-filter-parser@0.6.5

cat >seen.js <<'JS'
const { Parser } = require('odata-filter-parser');
const filters = [
  'accountid eq 3145219e-0533-545b-a0d9-72709753fba8',
  'modifiedon ge 2026-01-02T03:04:05Z',
  'postingDate eq 2026-01-02',
  'quantity eq -5',
  'amount eq 12345678901234567.89',
  "name eq 'Bolts and nuts'",
];
for (const filter of filters) console.log(`${filter} -> ${JSON.stringify(Parser.parse(filter))}`);
JS
node seen.js | tee seen.txt

diff - seen.txt <<'SEEN'
accountid eq 3145219e-0533-545b-a0d9-72709753fba8 -> {"subject":"accountid","value":null,"operator":"eq"}
modifiedon ge 2026-01-02T03:04:05Z -> {"subject":"modifiedon","value":2026,"operator":"ge"}
postingDate eq 2026-01-02 -> {"subject":"postingDate","value":2026,"operator":"eq"}
quantity eq -5 -> {"subject":"quantity","value":0,"operator":"eq"}
amount eq 12345678901234567.89 -> {"subject":"amount","value":12345678901234568,"operator":"eq"}
name eq 'Bolts and nuts' -> {"subject":{"subject":"name","value":"'Bolts","operator":"eq"},"value":null,"operator":"and"}
SEEN
echo "as described"
