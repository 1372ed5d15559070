//! Text is counted in UTF-16 units, codes are taken as received, keys are compared as the service compares them.
