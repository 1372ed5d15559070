//! Exchange rates: new rows, foreign base currencies, rates through a third currency, starting dates and corrections.
