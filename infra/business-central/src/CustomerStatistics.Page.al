// Statistics of customers for synchronization, worked out when they are read.
page 50120 "Couplet Customer Statistics"
{
    PageType = API;
    Caption = 'Customer Statistics', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'customerStatistic';
    EntitySetName = 'customerStatistics';
    SourceTable = Customer;
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
                field(displayName; Rec.Name)
                {
                    Caption = 'Display Name';
                }
                field(balance; Rec."Balance (LCY)")
                {
                    Caption = 'Balance';
                }
                field(outstandingOrders; Rec."Outstanding Orders (LCY)")
                {
                    Caption = 'Outstanding Orders';
                }
                field(shippedNotInvoiced; Rec."Shipped Not Invoiced (LCY)")
                {
                    Caption = 'Shipped Not Invoiced';
                }
                field(outstandingInvoices; Rec."Outstanding Invoices (LCY)")
                {
                    Caption = 'Outstanding Invoices';
                }
                field(total; TotalAmount)
                {
                    Caption = 'Total';
                }
                field(creditLimit; Rec."Credit Limit (LCY)")
                {
                    Caption = 'Credit Limit';
                }
                field(overdueAmount; OverdueAmount)
                {
                    Caption = 'Overdue Amount';
                }
                field(overdueAsOf; OverdueAsOf)
                {
                    Caption = 'Overdue As Of';
                }
                field(totalSales; TotalSales)
                {
                    Caption = 'Total Sales';
                }
                field(invoicedPrepayment; InvoicedPrepayment)
                {
                    Caption = 'Invoiced Prepayment';
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
        TotalAmount: Decimal;
        OverdueAmount: Decimal;
        OverdueAsOf: Date;
        TotalSales: Decimal;
        InvoicedPrepayment: Decimal;

    trigger OnAfterGetRecord()
    var
        Asked: Record Customer;
    begin
        // The table's own functions, on a record of their own: they calculate and filter as they need.
        Asked := Rec;
        TotalAmount := Asked.GetTotalAmountLCY();
        OverdueAmount := Asked.CalcOverdueBalance();
        OverdueAsOf := WorkDate();
        TotalSales := Asked.GetSalesLCY();
        InvoicedPrepayment := Asked.GetInvoicedPrepmtAmountLCY();
    end;
}
