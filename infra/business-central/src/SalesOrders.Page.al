// Sales Header records for synchronization.
page 50115 "Couplet Sales Orders"
{
    PageType = API;
    Caption = 'Sales Orders', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'salesOrder';
    EntitySetName = 'salesOrders';
    SourceTable = "Sales Header";
    SourceTableView = where("Document Type" = const(Order));
    ODataKeyFields = SystemId;
    DelayedInsert = true;
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
                field(number; Rec."No.")
                {
                    Caption = 'Number';
                    Editable = false;
                }
                field(customerNumber; Rec."Sell-to Customer No.")
                {
                    Caption = 'Customer Number';
                }
                field(customerName; Rec."Sell-to Customer Name")
                {
                    Caption = 'Customer Name';
                    Editable = false;
                }
                field(orderDate; Rec."Document Date")
                {
                    Caption = 'Order Date';
                    Editable = false;
                }
                field(externalDocumentNumber; Rec."External Document No.")
                {
                    Caption = 'External Document Number';
                }
                field(quoteNumber; Rec."Quote No.")
                {
                    Caption = 'Quote Number';
                    // The table lets nobody edit it, which the page would take over.
                    Editable = true;
                }
                field(opportunityNumber; Rec."Opportunity No.")
                {
                    Caption = 'Opportunity Number';
                    Editable = false;
                }
                field(documentOccurrence; Rec."Doc. No. Occurrence")
                {
                    Caption = 'Document Occurrence';
                    Editable = false;
                }
                field(pricesIncludeTax; Rec."Prices Including VAT")
                {
                    Caption = 'Prices Include Tax';
                    Editable = false;
                }
                field(billToName; Rec."Bill-to Name")
                {
                    Caption = 'Bill To Name';
                    Editable = false;
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

                    trigger OnValidate()
                    begin
                        Rec.Validate("Currency Code", LocalCurrency.Stored(CurrencyCodeTxt));
                    end;
                }
                field(salesperson; Rec."Salesperson Code")
                {
                    Caption = 'Salesperson';
                }
                field(requestedDeliveryDate; Rec."Requested Delivery Date")
                {
                    Caption = 'Requested Delivery Date';
                }
                field(discountAmount; DiscountAmount)
                {
                    Caption = 'Discount Amount';

                    trigger OnValidate()
                    begin
                        DiscountIsGiven := true;
                    end;
                }
                field(totalAmountExcludingTax; Rec.Amount)
                {
                    Caption = 'Total Amount Excluding Tax';
                    Editable = false;
                }
                field(totalAmountIncludingTax; Rec."Amount Including VAT")
                {
                    Caption = 'Total Amount Including Tax';
                    Editable = false;
                }
                field(documentStatus; Rec.Status)
                {
                    Caption = 'Document Status';
                    Editable = false;
                }
                field(status; OrderStatus)
                {
                    Caption = 'Status';
                    Editable = false;
                }
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date Time';
                    Editable = false;
                }
                field(lastShipmentDate; Rec."Last Shipment Date")
                {
                    Caption = 'Last Shipment Date';
                    Editable = false;
                }
                field(fullyShipped; Rec."Completely Shipped")
                {
                    Caption = 'Fully Shipped';
                    Editable = false;
                }
                field(fullyInvoiced; IsFullyInvoiced)
                {
                    Caption = 'Fully Invoiced';
                    Editable = false;
                }
                field(prepaymentDue; IsPrepaymentDue)
                {
                    Caption = 'Prepayment Due';
                    Editable = false;
                }
                field(shippingAgentCode; Rec."Shipping Agent Code")
                {
                    Caption = 'Shipping Agent Code';
                }
                field(paymentTermsCode; Rec."Payment Terms Code")
                {
                    Caption = 'Payment Terms Code';
                }
                field(documentType; Rec."Document Type")
                {
                    Caption = 'Document Type';
                    Editable = false;
                }
                field(yourReference; Rec."Your Reference")
                {
                    Caption = 'Your Reference';
                }
                field(shipmentMethodCode; Rec."Shipment Method Code")
                {
                    Caption = 'Shipment Method Code';
                }
                field(paymentDiscountPercent; Rec."Payment Discount %")
                {
                    Caption = 'Payment Discount Percent';
                }
                field(workDescription; WorkDescription)
                {
                    Caption = 'Work Description';

                    trigger OnValidate()
                    begin
                        WorkDescriptionIsGiven := true;
                    end;
                }
                part(salesOrderLines; "Couplet Sales Order Lines")
                {
                    Caption = 'Lines';
                    EntityName = 'salesOrderLine';
                    EntitySetName = 'salesOrderLines';
                    SubPageLink = "Document Type" = field("Document Type"), "Document No." = field("No.");
                }
            }
        }
    }

    var
        CurrencyCodeTxt: Text;
        DiscountAmount: Decimal;
        DiscountIsGiven: Boolean;
        Documents: Codeunit "Couplet Sales Documents";
        IsFullyInvoiced: Boolean;
        IsPrepaymentDue: Boolean;
        LocalCurrency: Codeunit "Couplet Local Currency";
        OrderStatus: Enum "Sales Order Entity Buffer Status";
        WorkDescription: Text;
        WorkDescriptionIsGiven: Boolean;

    trigger OnAfterGetRecord()
    begin
        ShowCalculated();
    end;

    trigger OnInsertRecord(BelowxRec: Boolean): Boolean
    begin
        Rec."Document Type" := Rec."Document Type"::Order;
        // The caller chooses the id, so that a repeated request meets the record of the first one.
        Rec.Insert(true, not IsNullGuid(Rec.SystemId));
        // Setting the description writes the order, which must be there.
        if WorkDescriptionIsGiven then
            Rec.SetWorkDescription(WorkDescription);
        if DiscountIsGiven then
            Documents.ApplyDiscount(Rec, DiscountAmount);
        ShowCalculated();
        exit(false);
    end;

    trigger OnModifyRecord(): Boolean
    begin
        if WorkDescriptionIsGiven then
            Rec.SetWorkDescription(WorkDescription);
        if not DiscountIsGiven then
            exit(true);
        // The discount writes the order and its lines, so what else was sent must be there before.
        Rec.Modify(true);
        Documents.ApplyDiscount(Rec, DiscountAmount);
        ShowCalculated();
        exit(false);
    end;

    /// <summary>Releases the order: it can be shipped, and changed no more.</summary>
    [ServiceEnabled]
    procedure release(var ActionContext: WebServiceActionContext)
    begin
        Documents.Release(Rec);
        Answer(ActionContext);
    end;

    /// <summary>Opens the order again, so that it can be changed.</summary>
    [ServiceEnabled]
    procedure reopen(var ActionContext: WebServiceActionContext)
    begin
        Documents.Reopen(Rec);
        Answer(ActionContext);
    end;

    /// <summary>Keeps the order as it is as a version of the archive.</summary>
    [ServiceEnabled]
    procedure archive(var ActionContext: WebServiceActionContext)
    begin
        Documents.Archive(Rec);
        Answer(ActionContext);
    end;

    local procedure Answer(var ActionContext: WebServiceActionContext)
    begin
        ActionContext.SetObjectType(ObjectType::Page);
        ActionContext.SetObjectId(Page::"Couplet Sales Orders");
        ActionContext.AddEntityKey(Rec.FieldNo(SystemId), Rec.SystemId);
        ActionContext.SetResultCode(WebServiceActionResultCode::Updated);
    end;

    local procedure ShowCalculated()
    begin
        CurrencyCodeTxt := LocalCurrency.Shown(Rec."Currency Code");
        OrderStatus := Shown(Rec.Status);
        WorkDescription := Rec.GetWorkDescription();
        Rec.CalcFields("Invoice Discount Amount");
        DiscountAmount := Rec."Invoice Discount Amount";
        IsFullyInvoiced := Documents.IsFullyInvoiced(Rec);
        IsPrepaymentDue := Documents.IsPrepaymentDue(Rec);
    end;

    // The words of the standard API: its Draft is Open, its Open is Released.
    local procedure Shown(Status: Enum "Sales Document Status"): Enum "Sales Order Entity Buffer Status"
    begin
        case Status of
            Status::Open:
                exit(Enum::"Sales Order Entity Buffer Status"::Draft);
            Status::"Pending Approval":
                exit(Enum::"Sales Order Entity Buffer Status"::"In Review");
            else
                exit(Enum::"Sales Order Entity Buffer Status"::Open);
        end;
    end;
}
