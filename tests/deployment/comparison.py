"""Whether both systems agree, pair by pair, judged from the catalogue's field lists as documents and from the rows as they
are stored. It knows nothing of how Couplet transfers or decides."""

import json
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

CATALOGUE = "shared/model/catalogue"
NEVER_NEGATIVE = {"price", "quantityonhand"}
# Who takes part is for relations to say that this comparison does not read; the end-to-end tests and the demonstration do.
CHOSEN_BY_RELATIONS = {"CONTACT"}
# Figures that Business Central calculates when they are read; the demonstration compares them.
CALCULATED = {"Customer Statistics"}
# Documents that end in one system before they do in the other; their own steps compare them.
COMPARED_BY_STEPS = {
    "SALESORDER-ORDER", "SOLINE-ORDERDETAIL", "Archived Sales Orders", "Archived Sales Order Lines", "Sales Quote Lines",
    "Auto Process Sales Quotes", "Sales Order Notes", "Sales Order Status", "Sales Shipment Status", "Sales Invoice Status",
}  # fmt: skip


class Comparison:
    """Compares both systems."""

    def __init__(self, project, business_central, dataverse):
        self.business_central = business_central
        self.dataverse = dataverse
        folder = project / CATALOGUE
        self.mappings = {}
        for file in sorted((folder / "mappings").glob("*.json")):
            mapping = json.loads(file.read_text())
            self.mappings.setdefault(mapping["name"], mapping)
        tables = json.loads((folder / "tables" / "business-central.json").read_text())["tables"]
        self.properties = {
            table["name"]: {column["name"]: column for column in table["properties"]} for table in tables
        }
        tables = json.loads((folder / "tables" / "dataverse.json").read_text())["tables"]
        self.columns = {table["name"]: {column["name"]: column for column in table["columns"]} for table in tables}
        self.ids = {table["name"]: table["id"] for table in tables}

    def mismatches(self, couplings):
        """One line for everything that does not agree."""
        problems = []
        prices = units = None
        for name, pairs in sorted(couplings.items()):
            if name in CALCULATED | COMPARED_BY_STEPS:
                continue
            mapping = self.mappings[name]
            left_table, right_table = mapping["business_central_table"], mapping["dataverse_table"]
            lefts = {row["id"]: row for row in self.business_central.rows(left_table)}
            if mapping["kind"] == "option_set":
                problems += self._options(name, mapping, pairs, lefts)
                continue
            rights = {row[self.ids[right_table]]: row for row in self.dataverse.rows(right_table)}
            if right_table == "product" and prices is None:
                prices, units = self._prices(), self._units()
            problems += self._alone(name, mapping, pairs, lefts)
            for left_id, right_id in pairs:
                left, right = lefts.get(left_id), rights.get(right_id)
                if left is None or right is None:
                    problems.append(f"{name} {left_id}: one of the coupled records is gone")
                    continue
                label = left.get("number") or left.get("code") or left_id
                # Unit groups and their base units are named by a code that is made of the number.
                left = {**left, "sourceNo": left["code"]} if left_table == "Unit Group" else left
                found = [self._field(mapping, field, left, right) for field in mapping["fields"]]
                if right_table == "product":
                    found += self._product(left, right, prices, units)
                problems += [f"{name} {label}: {problem}" for problem in found if problem]
        return problems

    def _alone(self, name, mapping, pairs, lefts):
        """Records coupled twice, and records that should have a partner and have none."""
        ours, theirs = {left for left, _ in pairs}, {right for _, right in pairs}
        if len(ours) != len(pairs) or len(theirs) != len(pairs):
            yield f"{name}: a record is coupled more than once"
        if mapping["direction"] != "from_dataverse" and name not in CHOSEN_BY_RELATIONS:
            for record, row in lefts.items():
                if record not in ours and not is_blocked(row) and takes_part(mapping, row):
                    yield f"{name} {row.get('number') or row.get('code')}: has no partner"

    def _options(self, name, mapping, pairs, lefts):
        """Codes whose option is missing in the choice column of the account, or in one that repeats it."""
        problems = list(self._alone(name, mapping, pairs, lefts))
        codes = {lefts[left]["code"] for left, _ in pairs if left in lefts}
        for table, column in ((mapping["dataverse_table"], mapping["option_column"]), *mapping["option_mirrors"].items()):
            labels = self.dataverse.labels(table, column)
            missing = sorted(code for code in codes if code.upper() not in labels)
            problems += [f"{name} {code}: {table} has no such option" for code in missing]
        return problems

    def _field(self, mapping, field, left_row, right_row):
        """What one field does not agree in; fields that lead to other records are told by the records' own pairs."""
        left_name, right_name = field.get("business_central"), field.get("dataverse")
        if not left_name or not right_name or field.get("resolved_through") or field.get("option_mapping"):
            return None
        left_column = self.properties[mapping["business_central_table"]].get(left_name, {})
        right_column = self.columns[mapping["dataverse_table"]].get(right_name, {})
        left, right = left_row.get(left_name), right_row.get(right_name)
        if right_name == "currencysymbol" and not left:
            left = left_row.get("code")  # a currency without a symbol shows its code
        numbers = {"decimal", "money", "int", "double"}
        if left_column.get("type") in numbers or right_column.get("type") in numbers:
            left, right = number(left), number(right)
            if right_name in NEVER_NEGATIVE:
                left = max(left, Decimal(0))
            agree = round(left, 4) == round(right, 4)
        else:
            lengths = [column["length"] for column in (left_column, right_column) if column.get("length")]
            left, right = text(left)[: min(lengths, default=None)].rstrip(), text(right)
            agree = left.casefold() == right[: min(lengths, default=None)].rstrip().casefold()
        return None if agree else f"{right_name} is {right!r} but {left_name} is {left!r}"

    def _prices(self):
        """Amounts by price list and product."""
        amounts = {}
        for line in self.dataverse.rows("productpricelevel"):
            key = (line["_pricelevelid_value"], line["_productid_value"])
            amounts.setdefault(key, []).append(number(line.get("amount")))
        return amounts

    def _units(self):
        """Quantities of the units of each unit group."""
        quantities = {}
        for unit in self.dataverse.rows("uom"):
            quantities.setdefault(unit["_uomscheduleid_value"], []).append(number(unit.get("quantity")))
        return quantities

    def _product(self, left, right, prices, units):
        """State of a product, and its listed prices: one for each of its units."""
        state = 1 if is_blocked(left) else 0
        if right.get("statecode") != state:
            yield f"statecode is {right.get('statecode')} instead of {state}"
        listed = prices.get((right.get("_pricelevelid_value"), right["productid"]), [])
        price = max(number(left.get("unitPrice")), Decimal(0))
        quantities = units.get(right.get("_defaultuomscheduleid_value"), [])
        wanted = [(price * quantity).quantize(Decimal("0.01"), ROUND_HALF_UP) for quantity in quantities]
        if sorted(round(amount, 4) for amount in listed) != sorted(wanted):
            yield f"its listed prices are {listed} instead of {wanted}"


def takes_part(mapping, row):
    """Whether a record meets its mapping's filter."""

    def plain(value):
        return str("" if value is None else value).replace("_x0020_", " ").strip().casefold()

    def meets(condition):
        held, wanted = plain(row.get(condition["property"])), condition["value"]
        if condition["op"] == "in":
            return held in {plain(one) for one in wanted}
        return (held == plain(wanted)) == (condition["op"] == "eq")

    return all(meets(condition) for condition in mapping.get("business_central_filter", []))


def is_blocked(row):
    """`true`, or any option but the blank one."""
    blocked = row.get("blocked")
    return blocked if isinstance(blocked, bool) else str(blocked or "").strip() not in ("", "_x0020_")


def number(value):
    """A number; blank is zero."""
    try:
        return Decimal(str(value if value is not None else 0))
    except InvalidOperation:
        return Decimal(0)


def text(value):
    """A text; blank when it is null."""
    return "" if value is None else str(value).rstrip()
