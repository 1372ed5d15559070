// What the integration user needs for the pages of this app; add the standard sets the company's own rules ask for.
permissionset 50132 "Couplet Sync"
{
    Assignable = true;
    Caption = 'Couplet synchronization', Locked = true;
    Permissions =
        tabledata Customer = RIMD,
        tabledata Vendor = RIMD,
        tabledata Contact = RIMD,
        tabledata "Shipping Agent" = RIMD,
        tabledata "Unit Group" = RIMD,
        tabledata "Item Unit of Measure" = RIMD,
        tabledata "Resource Unit of Measure" = RIMD,
        tabledata Item = RIMD,
        tabledata Resource = RIMD,
        tabledata "Customer Price Group" = RIMD,
        tabledata "Price List Header" = RIMD,
        tabledata "Price List Line" = RIMD,
        tabledata "Sales Invoice Header" = R,
        tabledata Opportunity = RIMD,
        tabledata "Opportunity Entry" = R,
        tabledata "Sales Header" = RIMD,
        tabledata "Sales Line" = RIMD,
        tabledata "General Ledger Setup" = R,
        tabledata "Item Ledger Entry" = R,
        tabledata "Res. Capacity Entry" = R,
        tabledata "Sales Invoice Line" = R,
        tabledata "Sales Shipment Header" = R,
        tabledata "Config. Template Header" = R,
        tabledata "Config. Template Line" = R,
        tabledata "Config. Tmpl. Selection Rules" = R,
#if SALESPRICES
        tabledata "Sales Price" = RIMD,
        page "Couplet Sales Prices" = X,
#endif
        page "Couplet Customers" = X,
        page "Couplet Vendors" = X,
        page "Couplet Contacts" = X,
        page "Couplet Shipping Agents" = X,
        page "Couplet Unit Groups" = X,
        page "Couplet Item Units" = X,
        page "Couplet Resource Units" = X,
        page "Couplet Items" = X,
        page "Couplet Resources" = X,
        page "Couplet Price Groups" = X,
        page "Couplet Price Lists" = X,
        page "Couplet Price List Lines" = X,
        page "Couplet Sales Invoices" = X,
        page "Couplet Opportunities" = X,
        page "Couplet Sales Orders" = X,
        page "Couplet Sales Order Lines" = X,
        codeunit "Couplet Local Currency" = X,
        codeunit "Couplet New Record" = X;
}
