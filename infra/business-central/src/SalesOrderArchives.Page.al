// Archived versions of orders.
page 50139 "Couplet Order Archives"
{
    PageType = API;
    Caption = 'Sales Order Archives', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'salesOrderArchive';
    EntitySetName = 'salesOrderArchives';
    SourceTable = "Sales Header Archive";
    SourceTableView = where("Document Type" = const(Order));
    ODataKeyFields = SystemId;
    Editable = false;
    InsertAllowed = false;
    ModifyAllowed = false;
    DeleteAllowed = false;
    Extensible = false;

    layout
    {
        area(Content)
        {
            repeater(Records)
            {
                field(id; Rec.SystemId)
                {
                    Caption = 'Id';
                    Editable = false;
                }
                field(number; Rec."No.")
                {
                    Caption = 'Number';
                }
                field(occurrence; Rec."Doc. No. Occurrence")
                {
                    Caption = 'Occurrence';
                }
                field(versionNumber; Rec."Version No.")
                {
                    Caption = 'Version Number';
                }
                field(documentDate; Rec."Document Date")
                {
                    Caption = 'Document Date';
                }
                field(lastShipmentDate; Rec."Shipment Date")
                {
                    Caption = 'Last Shipment Date';
                }
                field(paymentDiscountPercent; Rec."Payment Discount %")
                {
                    Caption = 'Payment Discount Percent';
                }
                field(pricesIncludeTax; Rec."Prices Including VAT")
                {
                    Caption = 'Prices Include Tax';
                }
                field(isInvoiced; Rec.Invoice)
                {
                    Caption = 'Is Invoiced';
                }
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date Time';
                    Editable = false;
                }
            }
        }
    }
}
