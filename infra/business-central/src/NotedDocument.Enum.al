// The kinds of documents whose notes are synchronized.
enum 50138 "Couplet Noted Document"
{
    Extensible = false;

    value(0; " ")
    {
        Caption = ' ', Locked = true;
    }
    value(1; Quote)
    {
        Caption = 'Quote', Locked = true;
    }
    value(2; "Order")
    {
        Caption = 'Order', Locked = true;
    }
}
