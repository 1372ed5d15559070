// What the pages of orders and quotes do beside showing fields: discounts, prices, release and archive.
codeunit 50142 "Couplet Sales Documents"
{
    Access = Internal;

    // Applies an invoice discount to the whole document, as a person would on its page.
    procedure ApplyDiscount(var SalesHeader: Record "Sales Header"; Amount: Decimal)
    var
        SalesCalcDiscountByType: Codeunit "Sales - Calc Discount By Type";
    begin
        SalesCalcDiscountByType.ApplyInvDiscBasedOnAmt(Amount, SalesHeader);
        SalesHeader.Find();
    end;

    // The price of a line for a price of a product in Dataverse, which is that of the item. Where the item is priced
    // including tax for customers as that of the order, the tax of the line is taken out.
    procedure PriceOfLine(SalesLine: Record "Sales Line"; Price: Decimal): Decimal
    var
        Item: Record Item;
        Currency: Record Currency;
    begin
        if SalesLine.Type <> SalesLine.Type::Item then
            exit(Price);
        if not Item.Get(SalesLine."No.") then
            exit(Price);
        if not Item."Price Includes VAT" or (Item."VAT Bus. Posting Gr. (Price)" <> SalesLine."VAT Bus. Posting Group") then
            exit(Price);
        Currency.Initialize(SalesLine."Currency Code");
        exit(Round(Price / (1 + SalesLine."VAT %" / 100), Currency."Unit-Amount Rounding Precision"));
    end;

    // What a price without tax is on a line: with the tax of the line, where the prices of its document include tax.
    procedure UnitAmountOfLine(SalesLine: Record "Sales Line"; Price: Decimal): Decimal
    var
        Currency: Record Currency;
    begin
        Currency.Initialize(SalesLine."Currency Code");
        exit(Round(Price * TaxFactor(SalesLine), Currency."Unit-Amount Rounding Precision"));
    end;

    // The same of an amount.
    procedure AmountOfLine(SalesLine: Record "Sales Line"; Amount: Decimal): Decimal
    var
        Currency: Record Currency;
    begin
        Currency.Initialize(SalesLine."Currency Code");
        exit(Round(Amount * TaxFactor(SalesLine), Currency."Amount Rounding Precision"));
    end;

    local procedure TaxFactor(SalesLine: Record "Sales Line"): Decimal
    var
        SalesHeader: Record "Sales Header";
    begin
        if not SalesHeader.Get(SalesLine."Document Type", SalesLine."Document No.") then
            exit(1);
        if not SalesHeader."Prices Including VAT" then
            exit(1);
        exit(1 + SalesLine."VAT %" / 100);
    end;

    procedure Release(var SalesHeader: Record "Sales Header")
    var
        ReleaseSalesDocument: Codeunit "Release Sales Document";
    begin
        ReleaseSalesDocument.PerformManualRelease(SalesHeader);
        SalesHeader.Find();
    end;

    procedure Reopen(var SalesHeader: Record "Sales Header")
    var
        ReleaseSalesDocument: Codeunit "Release Sales Document";
    begin
        ReleaseSalesDocument.PerformManualReopen(SalesHeader);
        SalesHeader.Find();
    end;

    procedure Archive(var SalesHeader: Record "Sales Header")
    var
        ArchiveManagement: Codeunit ArchiveManagement;
    begin
        ArchiveManagement.StoreSalesDocument(SalesHeader, false);
        SalesHeader.Find();
    end;

    // An order may be invoiced by invoices of their own, and stay: something is invoiced, and nothing is left to ship or
    // to invoice.
    procedure IsFullyInvoiced(SalesHeader: Record "Sales Header"): Boolean
    var
        SalesLine: Record "Sales Line";
    begin
        SalesLine.SetRange("Document Type", SalesHeader."Document Type");
        SalesLine.SetRange("Document No.", SalesHeader."No.");
        SalesLine.SetFilter("Outstanding Quantity", '<>0');
        if not SalesLine.IsEmpty() then
            exit(false);
        SalesLine.SetRange("Outstanding Quantity");
        SalesLine.SetFilter("Qty. Shipped Not Invoiced", '<>0');
        if not SalesLine.IsEmpty() then
            exit(false);
        SalesLine.SetRange("Qty. Shipped Not Invoiced");
        SalesLine.SetFilter("Quantity Invoiced", '<>0');
        exit(not SalesLine.IsEmpty());
    end;

    procedure IsPrepaymentDue(SalesHeader: Record "Sales Header"): Boolean
    var
        PrepaymentMgt: Codeunit "Prepayment Mgt.";
    begin
        exit(PrepaymentMgt.TestSalesPrepayment(SalesHeader));
    end;
}
