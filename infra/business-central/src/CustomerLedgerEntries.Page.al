// Customer ledger entries for synchronization: for whom, and for which posted invoice, one appeared or changed.
page 50121 "Couplet Cust. Ledger Entries"
{
    PageType = API;
    Caption = 'Customer Ledger Entries', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'customerLedgerEntry';
    EntitySetName = 'customerLedgerEntries';
    SourceTable = "Cust. Ledger Entry";
    ODataKeyFields = SystemId;
    DelayedInsert = true;
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
                field(entryNumber; Rec."Entry No.")
                {
                    Caption = 'Entry Number';
                }
                field(customerNumber; Rec."Customer No.")
                {
                    Caption = 'Customer Number';
                }
                field(invoiceId; InvoiceId)
                {
                    Caption = 'Invoice Id';
                }
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date Time';
                    Editable = false;
                }
            }
        }
    }

    var
        InvoiceId: Guid;

    trigger OnAfterGetRecord()
    var
        Invoice: Record "Sales Invoice Header";
    begin
        Clear(InvoiceId);
        if Rec."Document Type" <> Rec."Document Type"::Invoice then
            exit;
        Invoice.SetLoadFields(SystemId);
        // An invoice of a journal has no document.
        if Invoice.Get(Rec."Document No.") then
            InvoiceId := Invoice.SystemId;
    end;
}
