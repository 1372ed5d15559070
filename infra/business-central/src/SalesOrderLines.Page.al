// Sales Line records for synchronization.
page 50116 "Couplet Sales Order Lines"
{
    PageType = API;
    Caption = 'Sales Order Lines', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'salesOrderLine';
    EntitySetName = 'salesOrderLines';
    SourceTable = "Sales Line";
    SourceTableView = where("Document Type" = const(Order));
    ODataKeyFields = SystemId;
    DelayedInsert = true;
    AutoSplitKey = true;
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
                }
                field(documentId; Rec."Couplet Document Id")
                {
                    Caption = 'Document Id';
                    Editable = false;
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
                field(salesPrice; SalesPrice)
                {
                    Caption = 'Sales Price';

                    trigger OnValidate()
                    begin
                        Rec.Validate("Unit Price", Documents.PriceOfLine(Rec, SalesPrice));
                    end;
                }
                field(priceWithoutTax; PriceWithoutTax)
                {
                    Caption = 'Price Without Tax';

                    trigger OnValidate()
                    begin
                        Rec.Validate("Unit Price", Documents.UnitAmountOfLine(Rec, PriceWithoutTax));
                    end;
                }
                field(discountWithoutTax; DiscountWithoutTax)
                {
                    Caption = 'Discount Without Tax';

                    trigger OnValidate()
                    begin
                        Rec.Validate("Line Discount Amount", Documents.AmountOfLine(Rec, DiscountWithoutTax));
                    end;
                }
                field(discountAmount; Rec."Line Discount Amount")
                {
                    Caption = 'Discount Amount';
                }
                field(attachedToLineNumber; Rec."Attached to Line No.")
                {
                    Caption = 'Attached To Line Number';
                    // The table lets nobody edit it, which the page would take over.
                    Editable = true;
                }
                field(taxPercent; Rec."VAT %")
                {
                    Caption = 'Tax Percent';
                    Editable = false;
                }
                field(netAmount; Rec.Amount)
                {
                    Caption = 'Net Amount';
                    Editable = false;
                }
                field(netAmountIncludingTax; Rec."Amount Including VAT")
                {
                    Caption = 'Net Amount Including Tax';
                    Editable = false;
                }
                field(shippedQuantity; Rec."Quantity Shipped")
                {
                    Caption = 'Shipped Quantity';
                    Editable = false;
                }
                field(invoicedQuantity; Rec."Quantity Invoiced")
                {
                    Caption = 'Invoiced Quantity';
                    Editable = false;
                }
                field(completelyShipped; Rec."Completely Shipped")
                {
                    Caption = 'Completely Shipped';
                    Editable = false;
                }
                field(reservedQuantity; Rec."Reserved Quantity")
                {
                    Caption = 'Reserved Quantity';
                    Editable = false;
                }
                field(documentType; Rec."Document Type")
                {
                    Caption = 'Document Type';
                    Editable = false;
                }
                field(currencyCode; Rec."Currency Code")
                {
                    Caption = 'Currency Code';
                    Editable = false;
                }
                field(requestedDeliveryDate; Rec."Requested Delivery Date")
                {
                    Caption = 'Requested Delivery Date';
                }
                field(documentNo; Rec."Document No.")
                {
                    Caption = 'Document No';
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

    var
        Documents: Codeunit "Couplet Sales Documents";
        SalesPrice: Decimal;
        PriceWithoutTax: Decimal;
        DiscountWithoutTax: Decimal;

    trigger OnInsertRecord(BelowxRec: Boolean): Boolean
    begin
        // The caller chooses the id, so that a repeated request meets the record of the first one.
        Rec.Insert(true, not IsNullGuid(Rec.SystemId));
        if Rec.Reserve = Rec.Reserve::Always then
            Rec.AutoReserve();
        Rec.CalcFields("Couplet Document Id", "Reserved Quantity");
        SalesPrice := 0;
        PriceWithoutTax := 0;
        DiscountWithoutTax := 0;
        exit(false);
    end;

    trigger OnAfterGetRecord()
    begin
        SalesPrice := 0;
        PriceWithoutTax := 0;
        DiscountWithoutTax := 0;
    end;
}
