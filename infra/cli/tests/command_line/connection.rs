//! How the command proves who it is, by a certificate or by the token of somebody who is trusted, and what it says when that does
//! not work; and what `couplet check` finds in both systems.

use crate::command::Workplace;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator};
use couplet_worlds::Certified;
use dataverse_simulator::{DataverseOptions, DataverseSimulator};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use serde_json::{Value, json};

struct Systems {
    business_central: BusinessCentralSimulator,
    dataverse: DataverseSimulator,
}

impl Systems {
    async fn start() -> Self {
        let business_central =
            BusinessCentralSimulator::start(BusinessCentralOptions::default()).await.expect("a system");
        let dataverse = DataverseSimulator::start(DataverseOptions::default()).await.expect("a system");
        Self { business_central, dataverse }
    }

    fn identities(&self) -> [&simulator_platform::Identity; 2] {
        [self.business_central.identity(), self.dataverse.identity()]
    }

    /// Settings without a secret, with a line in its place.
    fn workplace(&self, line: &str) -> Workplace {
        let workplace = Workplace::at(&self.business_central, &self.dataverse);
        let secrets = [self.business_central.credentials().2, self.dataverse.credentials().2];
        for secret in secrets {
            let of_secret = format!("client_secret = \"{secret}\"");
            if workplace.settings().contains(&of_secret) {
                workplace.change_settings(&of_secret, line);
            }
        }
        workplace
    }
}

/// Whether both systems take the application.
fn enters(workplace: &Workplace) -> bool {
    let ended = workplace.couplet(&["check", "--json"]);
    let findings: Value = serde_json::from_str(&ended.results).expect("JSON");
    let list = findings["findings"].as_array().expect("findings").clone();
    let found = |what: &str| list.iter().find(|finding| finding["what"] == what).expect("a finding").clone();
    let [erp, crm] = ["Business Central: company", "Dataverse: application user"].map(found);
    assert_eq!(erp["good"], crm["good"], "{findings}");
    erp["good"] == json!(true)
}

/// The one line of a run that could not sign in.
fn refusal(workplace: &Workplace) -> String {
    let line = workplace.couplet(&["run", "CUSTOMER"]).failed_with_one_line();
    assert!(!line.contains("BEGIN"), "nothing of a key: {line}");
    assert!(!workplace.has("data"), "nothing is stored");
    line
}

fn private_key(certified: &Certified) -> Vec<u8> {
    let lines = certified.key.lines().filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).expect("Base64")
}

fn pfx(certified: &Certified, password: &str) -> Vec<u8> {
    let key = PrivateKey::from_der(&private_key(certified)).expect("a key");
    let certificate = Certificate::from_der(&certified.der).expect("a certificate");
    let mut store = KeyStore::new();
    store.add_entry("couplet", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new("1", key, [certificate])));
    store.writer(password).write().expect("a PFX")
}

#[tokio::test(flavor = "multi_thread")]
async fn s300_s303_a_certificate_signs_in_from_pem_pfx_and_the_environment() {
    let systems = Systems::start().await;
    let certified = Certified::new();
    let workplace = systems.workplace("certificate_file = \"couplet.pem\"");
    workplace.write_private("couplet.pem", certified.pem().as_bytes());
    assert!(!enters(&workplace), "it is not registered yet");
    let line = refusal(&workplace);
    assert!(line.contains("AADSTS700027") && line.contains("not registered"), "{line}");
    for identity in systems.identities() {
        identity.register_certificate(&certified.der);
    }
    assert!(enters(&workplace));

    let workplace = systems.workplace("certificate_file = \"couplet.pfx\"");
    workplace.write_private("couplet.pfx", &pfx(&certified, "hunter2"));
    let line = refusal(&workplace);
    assert!(line.contains("its password is wrong or missing") && line.contains("certificate_password"), "{line}");
    let workplace = systems.workplace("certificate_file = \"couplet.pfx\"\ncertificate_password = \"hunter2\"");
    workplace.write_private("couplet.pfx", &pfx(&certified, "hunter2"));
    assert!(enters(&workplace));

    // As a secret of Secrets Manager or of the environment holds it.
    for text in [certified.pem(), STANDARD.encode(pfx(&certified, ""))] {
        let workplace = systems.workplace("");
        let ended = workplace.couplet_with(&["run", "CURRENCY"], &[("COUPLET_ENTRA_CLIENT_SECRET", text.as_str())]);
        assert_eq!(ended.code, 0, "{}", ended.errors);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_sign_in_is_named_with_its_remedy() {
    let systems = Systems::start().await;
    let (certified, other, ended) = (Certified::new(), Certified::new(), Certified::until(2026));
    for identity in systems.identities() {
        identity.register_certificate(&ended.der);
    }
    let workplace = systems.workplace("certificate_file = \"couplet.pem\"");
    let line = refusal(&workplace);
    assert!(line.contains("couplet.pem cannot be read"), "{line}");
    for (text, words) in [
        (ended.pem(), "it ended on 2026-01-01T00:00:00Z: make a new certificate"),
        (certified.certificate.clone(), "without its private key"),
        (certified.key.clone(), "it holds no certificate"),
        (format!("{}{}", certified.certificate, other.key), "its private key is not that of its certificate"),
        (String::new(), "it is empty"),
    ] {
        workplace.write_private("couplet.pem", text.as_bytes());
        let line = refusal(&workplace);
        assert!(line.contains(words), "{line}");
    }
    let both = systems.workplace("certificate_file = \"couplet.pem\"\nweb_identity = \"aws\"");
    let line = both.couplet(&["run", "CUSTOMER"]).failed_with_one_line();
    assert!(
        line.contains("set beside business_central.certificate_file") && line.contains("leave the other out"),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_trusted_issuer_signs_in_and_is_read_anew_each_time() {
    const ISSUER: &str = "https://tokens.example";
    let systems = Systems::start().await;
    let signer = Certified::new();
    for identity in systems.identities() {
        identity.trust(ISSUER, "role/couplet", &signer.der);
    }
    let key = aws_lc_rs::rsa::KeyPair::from_pkcs8(&private_key(&signer)).expect("a key");
    let now = jiff::Timestamp::now().as_second();
    let token = |subject: &str, ends: i64| {
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let claims = json!({
            "iss": ISSUER, "sub": subject, "aud": "api://AzureADTokenExchange", "iat": now - 600, "exp": ends
        });
        let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let mut signature = vec![0; key.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        let encoding = &aws_lc_rs::signature::RSA_PKCS1_SHA256;
        key.sign(encoding, &random, signed.as_bytes(), &mut signature).expect("signed");
        format!("{signed}.{}\n", URL_SAFE_NO_PAD.encode(signature))
    };
    let workplace = systems.workplace("web_identity = \"token.jwt\"");
    let line = refusal(&workplace);
    assert!(line.contains("the web identity token token.jwt cannot be read"), "{line}");
    for (text, words) in [
        (token("role/other", now + 300), "subject"),
        (token("role/couplet", now - 300), "AADSTS700024"),
        ("s3cret".to_owned(), "malformed"),
    ] {
        workplace.write_private("token.jwt", text.as_bytes());
        let line = refusal(&workplace);
        assert!(line.contains(words) && !line.contains(text.trim()), "{line}");
    }
    workplace.write_private("token.jwt", token("role/couplet", now + 300).as_bytes());
    assert!(enters(&workplace));
}

/// The findings of a check, and how it ended.
fn checked(workplace: &Workplace, arguments: &[&str]) -> (i32, Vec<Value>) {
    let ended = workplace.couplet(&[&["check", "--json"], arguments].concat());
    let answer: Value = serde_json::from_str(&ended.results).unwrap_or_else(|_| panic!("JSON: {ended:?}"));
    (ended.code, answer["findings"].as_array().expect("findings").clone())
}

/// The one finding whose name holds these words.
fn finding<'a>(findings: &'a [Value], words: &str) -> &'a Value {
    let is_meant = |finding: &&Value| finding["what"].as_str().is_some_and(|what| what.contains(words));
    let found: Vec<&Value> = findings.iter().filter(is_meant).collect();
    let [finding] = found.as_slice() else { panic!("{words}: {found:?} of {findings:?}") };
    finding
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_looks_at_everything_and_a_missing_right_fails_it_and_the_record() {
    let systems = Systems::start().await;
    let workplace = Workplace::at(&systems.business_central, &systems.dataverse);
    let (code, findings) = checked(&workplace, &[]);
    assert_eq!(code, 0, "{findings:?}");
    for what in [
        "Connection",
        "Business Central: company",
        "Business Central: clock",
        "Business Central: companion app",
        "Dataverse: application user",
        "Dataverse: clock",
        "Dataverse: roles",
        "Dataverse: solution bcbi_CdsBaseIntegration",
        "Dataverse: row of the company",
        "Currencies",
        "Store",
    ] {
        assert_eq!(finding(&findings, what)["level"], json!("good"), "{what}: {findings:?}");
    }
    let mappings = findings.iter().filter(|finding| !finding["mapping"].is_null()).count();
    assert!(mappings > 5, "{findings:?}");
    assert!(!workplace.has("data"), "looking writes nothing");
    let shown = workplace.couplet(&["check", "--mapping", "customer"]);
    assert!(shown.results.contains("CUSTOMER") && !shown.results.contains("VENDOR"), "{}", shown.results);
    assert!(shown.results.contains("0 bad"), "{}", shown.results);

    systems.dataverse.faults().take_privilege("Write", "account", true);
    let (code, findings) = checked(&workplace, &["--mapping", "CUSTOMER"]);
    let rights = finding(&findings, "CUSTOMER: rights");
    assert_eq!((code, &rights["level"], &rights["mapping"]), (1, &json!("bad"), &json!("CUSTOMER")), "{rights}");
    assert!(rights["remark"].as_str().is_some_and(|remark| remark.contains("prvWriteAccount")), "{rights}");
    assert!(rights["remedy"].as_str().is_some_and(|remedy| remedy.contains("assign")), "{rights}");
    let of_others = checked(&workplace, &["--mapping", "UNIT OF MEASURE"]);
    assert_eq!(of_others.0, 0, "{of_others:?}");
    systems.dataverse.faults().take_privilege("Write", "account", false);

    systems.dataverse.faults().take_privilege("Read", "solution", true);
    let (code, findings) = checked(&workplace, &["--mapping", "CUSTOMER"]);
    assert_eq!((code, &finding(&findings, "Dataverse: solutions")["level"]), (0, &json!("warning")), "{findings:?}");
    systems.dataverse.faults().take_privilege("Read", "solution", false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_a_system_that_does_not_let_us_in_still_looks_at_the_other() {
    let systems = Systems::start().await;
    let workplace = Workplace::at(&systems.business_central, &systems.dataverse);
    systems.dataverse.identity().rotate_secret("another");
    let (code, findings) = checked(&workplace, &[]);
    let user = finding(&findings, "Dataverse: application user");
    assert_eq!((code, &user["level"]), (1, &json!("bad")), "{user}");
    assert!(user["remark"].as_str().is_some_and(|remark| remark.contains("AADSTS7000215")), "{user}");
    assert_eq!(finding(&findings, "Business Central: company")["level"], json!("good"), "{findings:?}");
    assert!(!findings.iter().any(|finding| finding["what"] == json!("Currencies")), "one cause is one finding");
}
