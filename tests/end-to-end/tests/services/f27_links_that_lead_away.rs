//! A link that a server or the store gives is followed only under the API of the settings: no other port sees our token.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use couplet_business_central::{BusinessCentralClient, BusinessCentralSettings};
use couplet_dataverse::{DataverseClient, DataverseSettings};
use couplet_end_to_end::{Disturbance, Foreign, Proxy, World, WorldOptions};
use couplet_engine::{EngineError, EngineOptions, RunMode, RunRequest};
use couplet_model::filter::Filter;
use couplet_model::job::Trigger;
use couplet_model::record::Change;
use couplet_model::system::{
    ChangesQuery, Cursor, NextPage, PageToken, Position, Resume, System, SystemError, SystemErrorKind,
};
use couplet_model::table::{Side, Table};
use couplet_model::{Catalogue, RecordId, RetryClass};
use jiff::SignedDuration;
use tokio::net::TcpListener;

/// A port that must see no connection.
struct Elsewhere {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Elsewhere {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let connections: Arc<AtomicUsize> = Arc::default();
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, connections }
    }

    fn assert_untouched(&self, what: &str) {
        assert_eq!(self.connections.load(Ordering::SeqCst), 0, "{what}: another port was asked");
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

async fn world() -> World {
    World::start(WorldOptions { page_size: Some(2), ..WorldOptions::default() }).await
}

fn clients(world: &World, erp_url: &str, crm_url: &str, until: Option<Instant>) -> [Arc<dyn System>; 2] {
    let (tenant, client, secret) = world.business_central.credentials();
    let authority = world.business_central.authority();
    let mut settings = BusinessCentralSettings::new(erp_url, authority, tenant, client, secret, world.company());
    settings.page_size = 2;
    let erp = BusinessCentralClient::new(settings).expect("the client is built");
    let (tenant, client, secret) = world.dataverse.credentials();
    let mut settings = DataverseSettings::new(crm_url, world.dataverse.authority(), tenant, client, secret);
    settings.page_size = 2;
    let crm = DataverseClient::new(settings, BTreeMap::new()).expect("the client is built");
    erp.set_deadline(until);
    crm.set_deadline(until);
    [Arc::new(erp), Arc::new(crm)]
}

fn table(side: Side) -> Arc<Table> {
    let catalogue = Catalogue::embedded().expect("the catalogue is valid");
    let table = match side {
        Side::BusinessCentral => catalogue.business_central_table("Customer"),
        Side::Dataverse => catalogue.dataverse_table("account"),
    };
    Arc::clone(table.expect("a table"))
}

/// One page of a feed from there on: whose changes it has, and what follows.
async fn page(system: &Arc<dyn System>, from: Resume) -> Result<(BTreeSet<RecordId>, NextPage), SystemError> {
    let table = table(system.side());
    let columns: Vec<String> = table.label_column.iter().cloned().collect();
    let query = ChangesQuery {
        table: &table,
        columns: &columns,
        filter: &Filter::default(),
        look_back: SignedDuration::from_mins(5),
    };
    let page = system.changes(&query, from).await?;
    let id = |change: &Change| match change {
        Change::Upserted(record) => record.id,
        Change::Deleted(id) => *id,
    };
    Ok((page.changes.iter().map(id).collect(), page.next))
}

async fn add_accounts(world: &World) {
    for number in 0..5 {
        let account = serde_json::json!({ "name": format!("Account {number}") });
        world.dataverse.create_as_user("account", account).expect("taken");
    }
}

/// Follows a feed to its end and gives whose changes it has, and its cursor.
async fn to_the_end(system: &Arc<dyn System>, from: Resume) -> (BTreeSet<RecordId>, Cursor) {
    let (mut found, mut next) = page(system, from).await.expect("a page");
    loop {
        match next {
            NextPage::Done(cursor) => return (found, cursor),
            NextPage::More(token) => {
                let (more, after) = page(system, Resume::Page(token)).await.expect("a page");
                found.extend(more);
                next = after;
            }
        }
    }
}

#[tokio::test]
async fn f27_a_stored_link_that_leads_away_is_a_lost_link() {
    let world = world().await;
    add_accounts(&world).await;
    let elsewhere = Elsewhere::open().await;
    for system in clients(&world, &world.business_central.url(), &world.dataverse.url(), None) {
        let side = system.side();
        let (all, cursor) = to_the_end(&system, Resume::Everything).await;
        assert!(all.len() > 2, "{side} has several pages");
        let (first, NextPage::More(token)) = page(&system, Resume::Everything).await.expect("a page") else {
            panic!("{side} has one page only")
        };
        let service = match side {
            Side::BusinessCentral => world.business_central.url(),
            Side::Dataverse => world.dataverse.url(),
        };
        // Another port, another scheme, and another API of the same host.
        let away = [
            (origin(&service), elsewhere.url.clone()),
            ("http://".to_owned(), "https://".to_owned()),
            ("/api/".to_owned(), "/other/".to_owned()),
        ];
        for (from, to) in away {
            assert!(token.0.contains(&from), "{}", token.0);
            let changed = PageToken(token.0.replace(&from, &to));
            let mut found = to_the_end(&system, Resume::Page(changed)).await.0;
            found.extend(&first);
            assert_eq!(found, all, "{side}: {from} -> {to}");
            // Business Central has no such links: its position is a time.
            assert_eq!(matches!(cursor.position, Position::DeltaLink(_)), side == Side::Dataverse, "{cursor:?}");
            if let Position::DeltaLink(link) = &cursor.position {
                let changed = Cursor { position: Position::DeltaLink(link.replace(&from, &to)), ..cursor.clone() };
                // It begins again from its time: what was made just now is within the look-back.
                let found = to_the_end(&system, Resume::Since(changed)).await.0;
                assert!(found.len() >= 5 && found.is_subset(&all), "{side}: {from} -> {to}: {found:?}");
            }
        }
    }
    elsewhere.assert_untouched("stored links");
}

#[tokio::test]
async fn f27_pages_are_followed_however_business_central_names_the_tenant_in_its_links() {
    let world = world().await;
    let (erp, crm) = world.proxies().await;
    let all = to_the_end(&clients(&world, erp.url(), crm.url(), None)[0], Resume::Everything).await.0;
    let path = erp.url().strip_prefix(&origin(erp.url())).expect("below its origin").to_owned();
    let tenant = path.split('/').nth(2).expect("/v2.0/<tenant>/<environment>").to_owned();
    let named = format!("\"@odata.nextLink\":\"{}/v2.0/{tenant}/", origin(erp.url()));
    let unnamed = named.replace(&format!("{tenant}/"), "");
    let edited = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&edited);
    let edit = Disturbance::edit(move |body| {
        count.fetch_add(usize::from(body.contains(&named)), Ordering::SeqCst);
        body.replace(&named, &unnamed)
    });
    erp.disturb(usize::MAX, edit, |_| true);
    let found = to_the_end(&clients(&world, erp.url(), crm.url(), None)[0], Resume::Everything).await.0;
    assert_eq!(found, all);
    assert!(edited.load(Ordering::SeqCst) > 1, "several pages named no tenant");
}

async fn run(engine: &couplet_engine::Engine, job: &str) -> Result<(), EngineError> {
    let request = RunRequest { job: job.to_owned(), mode: RunMode::Full, trigger: Trigger::Manual, until: None };
    engine.run_job(&request).await.map(|_| ())
}

#[tokio::test]
async fn f27_a_link_in_an_answer_that_leads_away_is_refused_with_both_addresses() {
    let elsewhere = Elsewhere::open().await;
    for (side, link) in [
        (Side::BusinessCentral, "@odata.nextLink"),
        (Side::Dataverse, "@odata.nextLink"),
        (Side::Dataverse, "@odata.deltaLink"),
    ] {
        let world = world().await;
        add_accounts(&world).await;
        let (erp, crm) = world.proxies().await;
        let proxy = if side == Side::BusinessCentral { &erp } else { &crm };
        let from = format!("\"{link}\":\"{}", origin(proxy.url()));
        let to = format!("\"{link}\":\"{}", elsewhere.url);
        let edit = Disturbance::edit(move |body| body.replace(&from, &to).replace("\":  \"", "\":\""));
        proxy.disturb(usize::MAX, edit, |_| true);
        let engine = world.engine_through(&erp, &crm, EngineOptions::default());
        let mut refusals = Vec::new();
        for job in ["SALESPEOPLE", "CURRENCY", "CUSTOMER"] {
            refusals.extend(run(&engine, job).await.err());
        }
        let refusal = refusals.pop().unwrap_or_else(|| panic!("{side} {link}: nothing was refused"));
        let message = refusal.to_string();
        assert_eq!(refusal.retry_class(), RetryClass::Configuration, "{message}");
        for part in [link, &elsewhere.url, &origin(proxy.url()), "nothing was sent there"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    elsewhere.assert_untouched("links in answers");
}

#[tokio::test]
async fn f27_a_redirection_is_not_followed_with_the_token_nor_with_the_secret() {
    let elsewhere = Elsewhere::open().await;
    for status in [302, 307, 308] {
        let world = world().await;
        let (erp, crm) = world.proxies().await;
        let away = || Disturbance::Before(Foreign::empty(status).with("Location", format!("{}/api", elsewhere.url)));
        erp.disturb(usize::MAX, away(), |_| true);
        crm.disturb(usize::MAX, away(), |_| true);
        for side in [0, 1] {
            // Long enough to ask, and not to be patient with what comes.
            let until = Instant::now() + Duration::from_secs(2);
            let system = &clients(&world, erp.url(), crm.url(), Some(until))[side];
            let error = page(system, Resume::Everything).await.map(|_| ()).expect_err("a redirection is no answer");
            assert_eq!(error.kind, SystemErrorKind::Outage, "{status}: {error}");
        }
        let authority = Proxy::before(&world.dataverse.authority()).await;
        authority.disturb(usize::MAX, away(), |_| true);
        let (tenant, client, secret) = world.dataverse.credentials();
        let settings = DataverseSettings::new(world.dataverse.url(), authority.url(), tenant, client, secret);
        let client = DataverseClient::new(settings, BTreeMap::new()).expect("the client is built");
        client.set_deadline(Some(Instant::now() + Duration::from_secs(1)));
        assert!(client.who_am_i().await.is_err(), "{status}");
        assert!(!authority.passed().is_empty(), "{status}: the token endpoint was asked");
    }
    elsewhere.assert_untouched("redirections");
}
