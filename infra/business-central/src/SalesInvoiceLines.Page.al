// Lines of posted invoices for synchronization.
page 50123 "Couplet Sales Invoice Lines"
{
    PageType = API;
    Caption = 'Sales Invoice Lines', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'salesInvoiceLine';
    EntitySetName = 'salesInvoiceLines';
    SourceTable = "Sales Invoice Line";
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
                field(documentId; Rec."Couplet Document Id")
                {
                    Caption = 'Document Id';
                }
                field(sequence; Rec."Line No.")
                {
                    Caption = 'Sequence';
                }
                field(type; Rec.Type)
                {
                    Caption = 'Type';
                }
                field(lineObjectNumber; Rec."No.")
                {
                    Caption = 'Line Object Number';
                }
                field(description; Rec.Description)
                {
                    Caption = 'Description';
                }
                field(unitOfMeasureCode; Rec."Unit of Measure Code")
                {
                    Caption = 'Unit Of Measure Code';
                }
                field(quantity; Rec.Quantity)
                {
                    Caption = 'Quantity';
                }
                field(unitPrice; Rec."Unit Price")
                {
                    Caption = 'Unit Price';
                }
                field(discountAmount; Rec."Line Discount Amount")
                {
                    Caption = 'Discount Amount';
                }
                field(netAmount; Rec.Amount)
                {
                    Caption = 'Net Amount';
                }
                field(netAmountIncludingTax; Rec."Amount Including VAT")
                {
                    Caption = 'Net Amount Including Tax';
                }
                field(currencyCode; CurrencyCodeTxt)
                {
                    Caption = 'Currency Code';
                }
                field(pricesIncludeTax; PricesIncludeTax)
                {
                    Caption = 'Prices Include Tax';
                }
                field(blocked; IsBlocked)
                {
                    Caption = 'Blocked';
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
        Invoice: Record "Sales Invoice Header";
        LocalCurrency: Codeunit "Couplet Local Currency";
        CurrencyCodeTxt: Text;
        PricesIncludeTax: Boolean;
        IsBlocked: Boolean;

    trigger OnAfterGetRecord()
    begin
        if Invoice."No." <> Rec."Document No." then begin
            Clear(Invoice);
            Invoice.SetLoadFields("Currency Code", "Prices Including VAT");
            if Invoice.Get(Rec."Document No.") then;
        end;
        CurrencyCodeTxt := LocalCurrency.Shown(Invoice."Currency Code");
        PricesIncludeTax := Invoice."Prices Including VAT";
        IsBlocked := ObjectIsBlocked();
    end;

    local procedure ObjectIsBlocked(): Boolean
    var
        Item: Record Item;
        Resource: Record Resource;
    begin
        case Rec.Type of
            Rec.Type::Item:
                begin
                    Item.SetLoadFields(Blocked);
                    exit(Item.Get(Rec."No.") and Item.Blocked);
                end;
            Rec.Type::Resource:
                begin
                    Resource.SetLoadFields(Blocked);
                    exit(Resource.Get(Rec."No.") and Resource.Blocked);
                end;
        end;
        exit(false);
    end;
}
