//! The built command in a folder of its own.
#![allow(dead_code)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use business_central_simulator::BusinessCentralSimulator;
use dataverse_simulator::DataverseSimulator;
use serde_json::Value;
use tempfile::TempDir;

/// Between two looks at the memory of a call.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A folder in which the command is called.
pub struct Workplace {
    folder: TempDir,
}

/// How a call ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub results: String,
    pub errors: String,
}

impl Ended {
    /// The one line on standard error of a call that ended with exit code 1 and no result.
    pub fn failed_with_one_line(&self) -> String {
        assert_eq!(self.code, 1, "{self:?}");
        assert_eq!(self.results, "", "no result");
        assert_eq!(self.errors.lines().count(), 1, "{}", self.errors);
        assert!(self.errors.starts_with("couplet: "), "{}", self.errors);
        self.errors.trim().to_owned()
    }

    /// The one object of a call that succeeded.
    pub fn object(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.results).expect("one JSON object")
    }
}

impl Workplace {
    /// A folder without settings.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// Complete settings for systems at this address, and more lines behind them.
    pub fn with_settings(address: &str, more: &str) -> Self {
        Self::with_settings_before("", address, more)
    }

    /// As [`Self::with_settings`], with lines before the first section.
    pub fn with_settings_before(before: &str, address: &str, more: &str) -> Self {
        let workplace = Self::empty();
        let settings = format!(
            r#"company = "5c1d8f2e-3b6a-4e0f-9a7c-1d2e3f4a5b6c"
data = "data"
{before}
[entra]
tenant = "tenant"
client_id = "client"
client_secret = "secret"
authority = "{address}"

[business_central]
url = "{address}"
environment = "Production"

[dataverse]
url = "{address}"

{more}"#
        );
        workplace.write_settings(&settings);
        workplace
    }

    /// Settings for both simulated systems.
    pub fn at(business_central: &BusinessCentralSimulator, dataverse: &DataverseSimulator) -> Self {
        let workplace = Self::empty();
        let section = |url: String, authority: String, (tenant, client, secret): (String, String, String)| {
            format!(
                "url = \"{url}\"\nauthority = \"{authority}\"\ntenant = \"{tenant}\"\nclient_id = \"{client}\"\nclient_secret = \"{secret}\"\n"
            )
        };
        let url = business_central.url();
        let environment = url.rsplit('/').next().expect("an environment");
        let settings = format!(
            "company = \"{}\"\ndata = \"data\"\n\n[business_central]\nenvironment = \"{environment}\"\n{}\n[dataverse]\n{}\n[switches]\nownership = \"person\"\nunit_groups = false\n",
            business_central.company_id(),
            section(url.clone(), business_central.authority(), business_central.credentials()),
            section(dataverse.url(), dataverse.authority(), dataverse.credentials()),
        );
        workplace.write_settings(&settings);
        workplace
    }

    /// The same with a door for change notifications at a free port of this machine; gives its address.
    pub fn with_door(&self) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let listen = listener.local_addr().expect("an address");
        let settings = std::fs::read_to_string(self.path("couplet.toml")).expect("settings");
        let door = format!("[notifications]\nurl = \"http://{listen}\"\nsecret = \"untold\"\nlisten = \"{listen}\"\n");
        self.write_settings(&format!("{settings}\n{door}"));
        format!("http://{listen}/")
    }

    /// Writes the settings, which hold secrets, for their owner alone.
    fn write_settings(&self, settings: &str) {
        let file = self.path("couplet.toml");
        std::fs::write(&file, settings).expect("a file");
        self.let_others_read(false);
    }

    /// The settings as they are.
    pub fn settings(&self) -> String {
        std::fs::read_to_string(self.path("couplet.toml")).expect("settings")
    }

    /// Writes a file for its owner alone.
    pub fn write_private(&self, name: &str, bytes: &[u8]) {
        let file = self.path(name);
        std::fs::write(&file, bytes).expect("a file");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("ours");
        }
    }

    /// Changes the settings.
    pub fn change_settings(&self, from: &str, to: &str) {
        let settings = self.settings();
        assert!(settings.contains(from), "{settings}");
        self.write_settings(&settings.replace(from, to));
    }

    /// Whether others than their owner can read the settings.
    pub fn let_others_read(&self, can: bool) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::Permissions::from_mode(if can { 0o644 } else { 0o600 });
            std::fs::set_permissions(self.path("couplet.toml"), mode).expect("ours");
        }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Copies the built-in catalogue into the folder.
    pub fn copy_catalogue_to(&self, name: &str) {
        let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/model/catalogue");
        for folder in ["", "tables", "mappings"] {
            std::fs::create_dir_all(self.path(name).join(folder)).expect("a folder");
            for entry in std::fs::read_dir(catalogue.join(folder)).expect("the catalogue") {
                let file = entry.expect("an entry").path();
                if file.is_file() {
                    let copy = self.path(name).join(folder).join(file.file_name().expect("a name"));
                    std::fs::copy(&file, copy).expect("a copy");
                }
            }
        }
    }

    /// Whether there is such a file or folder.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Whether there is nothing in the folder.
    pub fn is_empty(&self) -> bool {
        std::fs::read_dir(self.folder.path()).expect("a folder").next().is_none()
    }

    /// Calls the command.
    pub fn couplet(&self, arguments: &[&str]) -> Ended {
        self.couplet_with(arguments, &[])
    }

    /// Calls the command with variables.
    pub fn couplet_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = self.command(arguments);
        let output = command.envs(variables.iter().copied()).output().expect("the command starts");
        Ended {
            code: output.status.code().expect("it was not killed"),
            results: String::from_utf8(output.stdout).expect("text"),
            errors: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Calls the command with variables, and types lines into it.
    pub fn couplet_told(&self, arguments: &[&str], variables: &[(&str, &str)], lines: &[&str]) -> Ended {
        let mut child = self.begin(arguments, variables, lines);
        drop(child.stdin.take());
        let output = child.wait_with_output().expect("the command ends");
        Ended {
            code: output.status.code().expect("it was not killed"),
            results: String::from_utf8(output.stdout).expect("text"),
            errors: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Begins a call with variables, types lines into it, and leaves it waiting for more.
    pub fn begin(&self, arguments: &[&str], variables: &[(&str, &str)], lines: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let input = child.stdin.as_mut().expect("its input");
        for line in lines {
            // It may have ended before everything was typed.
            if writeln!(input, "{line}").is_err() {
                break;
            }
        }
        child
    }

    /// All files in the folder, as text where they are text.
    pub fn files(&self) -> Vec<(PathBuf, String)> {
        let (mut files, mut folders) = (Vec::new(), vec![self.folder.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = std::fs::read(&path).expect("a file");
                    files.push((path, String::from_utf8_lossy(&bytes).into_owned()));
                }
            }
        }
        files
    }

    /// Calls the command, and watches how much memory it uses at most, in kilobytes; 0 where the system does not tell.
    pub fn measured(&self, arguments: &[&str]) -> (Ended, u64) {
        let results = std::fs::File::create(self.path("results")).expect("a file");
        let errors = std::fs::File::create(self.path("errors")).expect("a file");
        let mut child = self.command(arguments).stdout(results).stderr(errors).spawn().expect("the command starts");
        let status = format!("/proc/{}/status", child.id());
        let (ended, end) = mpsc::channel();
        let waiting = std::thread::spawn(move || ended.send(child.wait()));
        let mut peak = 0;
        let code = loop {
            let status = std::fs::read_to_string(&status).unwrap_or_default();
            let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            peak = most.and_then(|most| most.parse().ok()).unwrap_or(0).max(peak);
            if let Ok(status) = end.recv_timeout(BETWEEN_LOOKS) {
                break status.expect("a child").code().expect("it was not killed");
            }
        };
        waiting.join().expect("it has ended").expect("we listen");
        let read = |name: &str| std::fs::read_to_string(self.path(name)).expect("text");
        (Ended { code, results: read("results"), errors: read("errors") }, peak)
    }

    /// Starts the command, whose results are read while it goes on.
    pub fn started(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().expect("the command starts")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_couplet"));
        command.args(arguments).current_dir(self.folder.path());
        let ours = |name: &str| name.starts_with("COUPLET_") || name.starts_with("AWS_");
        for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        command
    }
}
