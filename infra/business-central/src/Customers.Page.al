// Customer records for synchronization.
page 50100 "Couplet Customers"
{
    PageType = API;
    Caption = 'Customers', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'customer';
    EntitySetName = 'customers';
    SourceTable = Customer;
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
                }
                field(displayName; Rec.Name)
                {
                    Caption = 'Display Name';
                }
                field(addressLine1; Rec.Address)
                {
                    Caption = 'Address Line1';
                }
                field(addressLine2; Rec."Address 2")
                {
                    Caption = 'Address Line2';
                }
                field(city; Rec.City)
                {
                    Caption = 'City';
                }
                field(state; Rec.County)
                {
                    Caption = 'State';
                }
                field(country; Rec."Country/Region Code")
                {
                    Caption = 'Country';
                }
                field(postalCode; Rec."Post Code")
                {
                    Caption = 'Postal Code';
                }
                field(phoneNumber; Rec."Phone No.")
                {
                    Caption = 'Phone Number';
                }
                field(email; Rec."E-Mail")
                {
                    Caption = 'Email';
                }
                field(website; Rec."Home Page")
                {
                    Caption = 'Website';
                }
                field(salespersonCode; Rec."Salesperson Code")
                {
                    Caption = 'Salesperson Code';
                }
                field(creditLimit; Rec."Credit Limit (LCY)")
                {
                    Caption = 'Credit Limit';
                }
                field(currencyCode; CurrencyCodeTxt)
                {
                    Caption = 'Currency Code';

                    trigger OnValidate()
                    begin
                        Rec.Validate("Currency Code", LocalCurrency.Stored(CurrencyCodeTxt));
                    end;
                }
                field(blocked; Rec.Blocked)
                {
                    Caption = 'Blocked';
                }
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date Time';
                    Editable = false;
                }
                field(contact; ContactName)
                {
                    Caption = 'Contact';

                    trigger OnValidate()
                    begin
                        // The table's validation would make a contact person, and would write a customer that is not inserted yet.
                        Rec.Contact := ContactName;
                    end;
                }
                field(faxNo; Rec."Fax No.")
                {
                    Caption = 'Fax No';
                }
                field(shipmentMethodCode; Rec."Shipment Method Code")
                {
                    Caption = 'Shipment Method Code';
                }
                field(shippingAgentCode; Rec."Shipping Agent Code")
                {
                    Caption = 'Shipping Agent Code';
                }
                field(locationCode; Rec."Location Code")
                {
                    Caption = 'Location Code';
                }
                field(paymentTermsCode; Rec."Payment Terms Code")
                {
                    Caption = 'Payment Terms Code';
                }
                field(primaryContactNo; Rec."Primary Contact No.")
                {
                    Caption = 'Primary Contact No';
                }
            }
        }
    }

    var
        CurrencyCodeTxt: Text;
        ContactName: Text[100];
        LocalCurrency: Codeunit "Couplet Local Currency";
        NewRecord: Codeunit "Couplet New Record";

    trigger OnAfterGetRecord()
    begin
        ShowCalculated();
    end;

    trigger OnInsertRecord(BelowxRec: Boolean): Boolean
    var
        Inserted: RecordRef;
    begin
        // The caller chooses the id, so that a repeated request meets the record of the first one.
        Rec.Insert(true, not IsNullGuid(Rec.SystemId));
        Inserted.GetTable(Rec);
        NewRecord.ApplyTemplate(Inserted);
        Inserted.SetTable(Rec);
        Rec.Modify(true);
        ShowCalculated();
        exit(false);
    end;

    local procedure ShowCalculated()
    begin
        CurrencyCodeTxt := LocalCurrency.Shown(Rec."Currency Code");
        ContactName := Rec.Contact;
    end;
}
