// Quotes of the table Sales Header for synchronization.
page 50143 "Couplet Sales Quotes"
{
    PageType = API;
    Caption = 'Sales Quotes', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'salesQuote';
    EntitySetName = 'salesQuotes';
    SourceTable = "Sales Header";
    SourceTableView = where("Document Type" = const(Quote));
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
                field(documentDate; Rec."Document Date")
                {
                    Caption = 'Document Date';
                    Editable = false;
                }
                field(externalDocumentNumber; Rec."External Document No.")
                {
                    Caption = 'External Document Number';
                }
                field(yourReference; Rec."Your Reference")
                {
                    Caption = 'Your Reference';
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
                field(pricesIncludeTax; Rec."Prices Including VAT")
                {
                    Caption = 'Prices Include Tax';
                    Editable = false;
                }
                field(salesperson; Rec."Salesperson Code")
                {
                    Caption = 'Salesperson';
                }
                field(requestedDeliveryDate; Rec."Requested Delivery Date")
                {
                    Caption = 'Requested Delivery Date';
                }
                field(validUntilDate; Rec."Quote Valid Until Date")
                {
                    Caption = 'Valid Until Date';
                }
                field(shippingAgentCode; Rec."Shipping Agent Code")
                {
                    Caption = 'Shipping Agent Code';
                }
                field(paymentTermsCode; Rec."Payment Terms Code")
                {
                    Caption = 'Payment Terms Code';
                }
                field(shipmentMethodCode; Rec."Shipment Method Code")
                {
                    Caption = 'Shipment Method Code';
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
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date Time';
                    Editable = false;
                }
                field(workDescription; WorkDescription)
                {
                    Caption = 'Work Description';

                    trigger OnValidate()
                    begin
                        WorkDescriptionIsGiven := true;
                    end;
                }
                part(salesQuoteLines; "Couplet Sales Quote Lines")
                {
                    Caption = 'Lines';
                    EntityName = 'salesQuoteLine';
                    EntitySetName = 'salesQuoteLines';
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
        LocalCurrency: Codeunit "Couplet Local Currency";
        WorkDescription: Text;
        WorkDescriptionIsGiven: Boolean;

    trigger OnAfterGetRecord()
    begin
        ShowCalculated();
    end;

    trigger OnInsertRecord(BelowxRec: Boolean): Boolean
    var
        GivenQuoteValidUntilDate: Date;
    begin
        GivenQuoteValidUntilDate := Rec."Quote Valid Until Date";
        Rec."Document Type" := Rec."Document Type"::Quote;
        // The caller chooses the id, so that a repeated request meets the record of the first one.
        Rec.Insert(true, not IsNullGuid(Rec.SystemId));
        // The table works out a date of its own when the quote is inserted.
        if (GivenQuoteValidUntilDate <> 0D) and (GivenQuoteValidUntilDate <> Rec."Quote Valid Until Date") then begin
            Rec.Validate("Quote Valid Until Date", GivenQuoteValidUntilDate);
            Rec.Modify(true);
        end;
        // Setting the description writes the quote, which must be there.
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
        // The discount writes the quote and its lines, so what else was sent must be there before.
        Rec.Modify(true);
        Documents.ApplyDiscount(Rec, DiscountAmount);
        ShowCalculated();
        exit(false);
    end;

    /// <summary>Releases the quote: it can be changed no more.</summary>
    [ServiceEnabled]
    procedure release(var ActionContext: WebServiceActionContext)
    begin
        Documents.Release(Rec);
        Answer(ActionContext);
    end;

    /// <summary>Opens the quote again, so that it can be changed.</summary>
    [ServiceEnabled]
    procedure reopen(var ActionContext: WebServiceActionContext)
    begin
        Documents.Reopen(Rec);
        Answer(ActionContext);
    end;

    /// <summary>Keeps the quote as it is as a version of the archive.</summary>
    [ServiceEnabled]
    procedure archive(var ActionContext: WebServiceActionContext)
    begin
        Documents.Archive(Rec);
        Answer(ActionContext);
    end;

    local procedure Answer(var ActionContext: WebServiceActionContext)
    begin
        ActionContext.SetObjectType(ObjectType::Page);
        ActionContext.SetObjectId(Page::"Couplet Sales Quotes");
        ActionContext.AddEntityKey(Rec.FieldNo(SystemId), Rec.SystemId);
        ActionContext.SetResultCode(WebServiceActionResultCode::Updated);
    end;

    local procedure ShowCalculated()
    begin
        CurrencyCodeTxt := LocalCurrency.Shown(Rec."Currency Code");
        WorkDescription := Rec.GetWorkDescription();
        Rec.CalcFields("Invoice Discount Amount");
        DiscountAmount := Rec."Invoice Discount Amount";
    end;
}
