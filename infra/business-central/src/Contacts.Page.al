// Contact records for synchronization.
page 50102 "Couplet Contacts"
{
    PageType = API;
    Caption = 'Contacts', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'contact';
    EntitySetName = 'contacts';
    SourceTable = Contact;
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
                field(type; Rec.Type)
                {
                    Caption = 'Type';
                }
                field(companyNumber; Rec."Company No.")
                {
                    Caption = 'Company Number';
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
                field(mobilePhoneNumber; Rec."Mobile Phone No.")
                {
                    Caption = 'Mobile Phone Number';
                }
                field(email; Rec."E-Mail")
                {
                    Caption = 'Email';
                }
                field(website; Rec."Home Page")
                {
                    Caption = 'Website';
                }
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date Time';
                    Editable = false;
                }
                field(salespersonCode; Rec."Salesperson Code")
                {
                    Caption = 'Salesperson Code';
                }
                field(currencyCode; CurrencyCodeTxt)
                {
                    Caption = 'Currency Code';

                    trigger OnValidate()
                    begin
                        Rec.Validate("Currency Code", LocalCurrency.Stored(CurrencyCodeTxt));
                    end;
                }
                field(faxNo; Rec."Fax No.")
                {
                    Caption = 'Fax No';
                }
                field(firstName; Rec."First Name")
                {
                    Caption = 'First Name';
                }
                field(middleName; Rec."Middle Name")
                {
                    Caption = 'Middle Name';
                }
                field(surname; Rec.Surname)
                {
                    Caption = 'Surname';
                }
                field(pager; Rec.Pager)
                {
                    Caption = 'Pager';
                }
            }
        }
    }

    var
        CurrencyCodeTxt: Text;
        LocalCurrency: Codeunit "Couplet Local Currency";

    trigger OnAfterGetRecord()
    begin
        ShowCalculated();
    end;

    trigger OnInsertRecord(BelowxRec: Boolean): Boolean
    begin
        // The caller chooses the id, so that a repeated request meets the record of the first one.
        Rec.Insert(true, not IsNullGuid(Rec.SystemId));
        ShowCalculated();
        exit(false);
    end;

    local procedure ShowCalculated()
    begin
        CurrencyCodeTxt := LocalCurrency.Shown(Rec."Currency Code");
    end;
}
