// What the company has set up for sales, as far as orders and quotes from Dataverse depend on it.
page 50136 "Couplet Sales Setup"
{
    PageType = API;
    Caption = 'Sales Setup', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'salesSetupEntry';
    EntitySetName = 'salesSetup';
    SourceTable = "Sales & Receivables Setup";
    ODataKeyFields = SystemId;
    InsertAllowed = false;
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
                field(writeInProductType; Rec."Write-in Product Type")
                {
                    Caption = 'Write In Product Type';
                    Editable = false;
                }
                field(writeInProductNumber; Rec."Write-in Product No.")
                {
                    Caption = 'Write In Product Number';
                    Editable = false;
                }
                field(freightAccountNumber; Rec."Freight G/L Acc. No.")
                {
                    Caption = 'Freight Account Number';
                    Editable = false;
                }
                field(archiveOrders; Rec."Archive Orders")
                {
                    Caption = 'Archive Orders';
                }
                field(archiveQuotes; Rec."Archive Quotes")
                {
                    Caption = 'Archive Quotes';
                    Editable = false;
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
