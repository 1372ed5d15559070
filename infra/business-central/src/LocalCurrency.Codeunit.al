// The local currency is blank in the tables and its code on the wire.
codeunit 50130 "Couplet Local Currency"
{
    Access = Internal;

    var
        LocalCode: Code[10];
        IsKnown: Boolean;

    // The code to show for a stored one.
    procedure Shown(CurrencyCode: Code[10]): Code[10]
    begin
        if CurrencyCode = '' then
            exit(Known());
        exit(CurrencyCode);
    end;

    // The code to store for a shown one.
    procedure Stored(CurrencyCode: Text): Code[10]
    begin
        if CurrencyCode = Known() then
            exit('');
        exit(CopyStr(CurrencyCode, 1, 10));
    end;

    local procedure Known(): Code[10]
    var
        GeneralLedgerSetup: Record "General Ledger Setup";
    begin
        if not IsKnown then begin
            GeneralLedgerSetup.Get();
            LocalCode := GeneralLedgerSetup."LCY Code";
            IsKnown := true;
        end;
        exit(LocalCode);
    end;
}
