// Sales Invoice Header records for synchronization.
page 50113 "Couplet Sales Invoices"
{
    PageType = API;
    Caption = 'Sales Invoices', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'salesInvoice';
    EntitySetName = 'salesInvoices';
    SourceTable = "Sales Invoice Header";
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
                field(number; Rec."No.")
                {
                    Caption = 'Number';
                }
                field(customerNumber; Rec."Sell-to Customer No.")
                {
                    Caption = 'Customer Number';
                }
                field(customerPurchaseOrderReference; Rec."Your Reference")
                {
                    Caption = 'Customer Purchase Order Reference';
                }
                field(orderId; OrderId)
                {
                    Caption = 'Order Id';
                }
                field(orderNumber; Rec."Order No.")
                {
                    Caption = 'Order Number';
                }
                field(dueDate; Rec."Due Date")
                {
                    Caption = 'Due Date';
                }
                field(billToName; Rec."Bill-to Name")
                {
                    Caption = 'Bill To Name';
                }
                field(shipToName; Rec."Ship-to Name")
                {
                    Caption = 'Ship To Name';
                }
                field(billToAddressLine1; Rec."Bill-to Address")
                {
                    Caption = 'Bill To Address Line1';
                }
                field(billToAddressLine2; Rec."Bill-to Address 2")
                {
                    Caption = 'Bill To Address Line2';
                }
                field(billToCity; Rec."Bill-to City")
                {
                    Caption = 'Bill To City';
                }
                field(billToCountry; Rec."Bill-to Country/Region Code")
                {
                    Caption = 'Bill To Country';
                }
                field(billToState; Rec."Bill-to County")
                {
                    Caption = 'Bill To State';
                }
                field(billToPostCode; Rec."Bill-to Post Code")
                {
                    Caption = 'Bill To Post Code';
                }
                field(shipToAddressLine1; Rec."Ship-to Address")
                {
                    Caption = 'Ship To Address Line1';
                }
                field(shipToAddressLine2; Rec."Ship-to Address 2")
                {
                    Caption = 'Ship To Address Line2';
                }
                field(shipToCity; Rec."Ship-to City")
                {
                    Caption = 'Ship To City';
                }
                field(shipToCountry; Rec."Ship-to Country/Region Code")
                {
                    Caption = 'Ship To Country';
                }
                field(shipToState; Rec."Ship-to County")
                {
                    Caption = 'Ship To State';
                }
                field(shipToPostCode; Rec."Ship-to Post Code")
                {
                    Caption = 'Ship To Post Code';
                }
                field(currencyCode; CurrencyCodeTxt)
                {
                    Caption = 'Currency Code';
                }
                field(salesperson; Rec."Salesperson Code")
                {
                    Caption = 'Salesperson';
                }
                field(discountAmount; Rec."Invoice Discount Amount")
                {
                    Caption = 'Discount Amount';
                }
                field(totalAmountExcludingTax; Rec.Amount)
                {
                    Caption = 'Total Amount Excluding Tax';
                }
                field(totalAmountIncludingTax; Rec."Amount Including VAT")
                {
                    Caption = 'Total Amount Including Tax';
                }
                field(pricesIncludeTax; Rec."Prices Including VAT")
                {
                    Caption = 'Prices Include Tax';
                }
                field(remainingAmount; Rec."Remaining Amount")
                {
                    Caption = 'Remaining Amount';
                }
                field(cancelled; Rec.Cancelled)
                {
                    Caption = 'Cancelled';
                }
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date Time';
                    Editable = false;
                }
                field(shipmentDate; Rec."Shipment Date")
                {
                    Caption = 'Shipment Date';
                }
                field(shippingAgentCode; Rec."Shipping Agent Code")
                {
                    Caption = 'Shipping Agent Code';
                }
                field(paymentTermsCode; Rec."Payment Terms Code")
                {
                    Caption = 'Payment Terms Code';
                }
                field(workDescription; WorkDescription)
                {
                    Caption = 'Work Description';
                }
            }
        }
    }

    var
        CurrencyCodeTxt: Text;
        LocalCurrency: Codeunit "Couplet Local Currency";
        OrderId: Guid;
        WorkDescription: Text;

    trigger OnAfterGetRecord()
    begin
        CurrencyCodeTxt := LocalCurrency.Shown(Rec."Currency Code");
        WorkDescription := Rec.GetWorkDescription();
        OrderId := OrderOf(Rec."No.");
    end;

    // The order may be gone; the table that API v2.0 reads keeps its id.
    local procedure OrderOf(InvoiceNo: Code[20]): Guid
    var
        Aggregate: Record "Sales Invoice Entity Aggregate";
        NoOrder: Guid;
    begin
        Aggregate.SetLoadFields("Order Id");
        if Aggregate.Get(InvoiceNo, true) then
            exit(Aggregate."Order Id");
        exit(NoOrder);
    end;
}
