//! The words the demonstration company is made of.

/// Code, name, symbol, and what a hundred of it are worth in the local currency.
pub(crate) const CURRENCIES: &[(&str, &str, &str, &str)] = &[
    ("EUR", "Euro", "€", "108.5"),
    ("GBP", "Pound Sterling", "£", "127.3"),
    ("DKK", "Danish krone", "kr", "14.55"),
    ("JPY", "Japanese yen", "¥", "0.67"),
    ("CAD", "Canadian dollar", "$", "73.2"),
    ("CHF", "Swiss franc", "CHF", "112.4"),
    ("USD", "US dollar", "$", "100"),
];

/// Currencies whose rate goes through another one: code, the other code, and what a hundred of it are worth in the other.
pub(crate) const CURRENCIES_THROUGH_OTHERS: &[(&str, &str, &str)] = &[("DKK", "EUR", "13.41")];

pub(crate) fn symbol(code: &str) -> &'static str {
    CURRENCIES.iter().find(|(currency, ..)| *currency == code).map_or("", |(_, _, symbol, _)| symbol)
}

pub(crate) const UNITS: &[(&str, &str, &str)] = &[
    ("PCS", "Piece", "EA"),
    ("BOX", "Box", "BX"),
    ("KG", "Kilo", "KGM"),
    ("SET", "Set", "SET"),
    ("HOUR", "Hour", "HUR"),
    ("DAY", "Day", "DAY"),
    ("CAN", "Can", "CA"),
    ("PALLET", "Pallet", "PF"),
];

pub(crate) const PAYMENT_TERMS: &[(&str, &str, &str)] =
    &[("NET 30", "Net 30 days", "30D"), ("NET 45", "Net 45 days", "45D"), ("NET 60", "Net 60 days", "60D")];

pub(crate) const SHIPMENT_METHODS: &[(&str, &str)] = &[("FOB", "Free on Board"), ("NO CHARGE", "No Charge")];
pub(crate) const SHIPPING_AGENTS: &[(&str, &str)] = &[
    ("DHL", "DHL Systems, Inc."),
    ("FEDEX", "Federal Express Corporation"),
    ("UPS", "United Parcel Service of America, Inc."),
];
pub(crate) const PAYMENT_METHODS: &[(&str, &str)] =
    &[("BANK", "Bank Transfer"), ("CASH", "Cash payment"), ("CHECK", "Check payment")];
pub(crate) const COUNTRIES: &[(&str, &str)] = &[
    ("US", "United States"),
    ("GB", "Great Britain"),
    ("DE", "Germany"),
    ("DK", "Denmark"),
    ("JP", "Japan"),
    ("CA", "Canada"),
];
pub(crate) const PRICE_GROUPS: &[(&str, &str)] = &[("WHOLESALE", "Wholesale"), ("RETAIL", "Retail")];
pub(crate) const LOCATIONS: &[(&str, &str)] = &[("EAST", "East Warehouse"), ("MAIN", "Main Warehouse")];

pub(crate) const SALESPEOPLE: &[(&str, &str, &str)] = &[
    ("JO", "Jim Olive", "Sales"),
    ("LM", "Lina Moller", "Sales"),
    ("OF", "Otis Falls", "Sales Manager"),
    ("BC", "Bart Canter", "Purchaser"),
];

pub(crate) const FIRST_WORDS: &[&str] = &[
    "Northwind",
    "Harbor",
    "Summit",
    "Blue Ridge",
    "Cascade",
    "Evergreen",
    "Lakeside",
    "Prairie",
    "Granite",
    "Silver Oak",
    "Redwood",
    "Coastal",
    "Highland",
    "Maple",
    "Iron Bridge",
    "Bright Star",
    "Old Mill",
    "Stone Gate",
    "River Bend",
    "Golden Field",
];
pub(crate) const SECOND_WORDS: &[&str] = &[
    "Furniture",
    "Trading",
    "Supplies",
    "Interiors",
    "Electronics",
    "Outfitters",
    "Design",
    "Hardware",
    "Foods",
    "Logistics",
    "Partners",
    "Labs",
    "Workshops",
];
pub(crate) const STREETS: &[&str] = &[
    "Main Street",
    "Oak Avenue",
    "Station Road",
    "Harbor Drive",
    "Market Square",
    "Mill Lane",
    "Park Boulevard",
    "Hill Street",
];
pub(crate) const PLACES: &[(&str, &str, &str, &str)] = &[
    ("Atlanta", "GA", "US", "31772"),
    ("Chicago", "IL", "US", "61236"),
    ("Miami", "FL", "US", "37125"),
    ("Seattle", "WA", "US", "98101"),
    ("Portland", "OR", "US", "97201"),
    ("London", "", "GB", "N16 34Z"),
    ("Hamburg", "", "DE", "20097"),
    ("Odense", "", "DK", "5000"),
];
pub(crate) const GIVEN_NAMES: &[&str] = &[
    "Ana",
    "Ben",
    "Clara",
    "David",
    "Elena",
    "Frank",
    "Grace",
    "Hugo",
    "Ines",
    "Jonas",
    "Katherine",
    "Liam",
    "Marty",
    "Nora",
    "Oscar",
    "Paula",
];
pub(crate) const SURNAMES: &[&str] = &[
    "Adams", "Brown", "Carter", "Dahl", "Evans", "Fischer", "Garcia", "Horst", "Ivanov", "Jensen", "Kowalski",
    "Lindberg", "Moreno",
];
pub(crate) const JOB_TITLES: &[&str] = &["Buyer", "Office Manager", "Director", "Engineer", "Accountant"];
pub(crate) const ADJECTIVES: &[&str] =
    &["Classic", "Modern", "Compact", "Premium", "Everyday", "Nordic", "Urban", "Heritage", "Slim", "Studio"];
pub(crate) const PRODUCTS: &[&str] = &[
    "Desk",
    "Side Table",
    "Swivel Chair",
    "Lamp",
    "Whiteboard",
    "Storage Unit",
    "Bookcase",
    "Conference Table",
    "Guest Chair",
    "Reception Counter",
    "Panel",
    "Coat Stand",
    "Monitor Arm",
    "Bench",
    "Locker",
    "Footrest",
];
