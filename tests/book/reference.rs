//! The page of all fields of a scene, made from the types that read it.

use crate::{holds, root};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use syn::{Attribute, Expr, Fields, GenericArgument, Item, Lit, Meta, PathArguments, Type};
use wavetank_engine::scene::load::FIELDS;

/// The types of a scene in reading order: title, file under `engine/src/scene`, type.
const TYPES: &[(&str, &str, &str)] = &[
    ("Nodes", "format.rs", "Pool"),
    ("Node info", "format.rs", "NodeInfoText"),
    ("Groups of nodes", "node_groups.rs", "NodeGroupText"),
    ("The cluster autoscaler", "node_groups.rs", "AutoscalerSettings"),
    ("Latency", "format.rs", "LatencyChanges"),
    ("The kubelets' configuration", "kubelet_config.rs", "KubeletText"),
    ("Programs", "program.rs", "ProgramText"),
    ("Spans in which an endpoint does not answer", "program.rs", "AnswerText"),
    ("On TERM", "program.rs", "OnTermText"),
    ("Lines of a program", "logs.rs", "Says"),
    ("Programs that a scene does not describe", "format.rs", "ProgramDefaults"),
    ("Network", "network.rs", "NetworkSettings"),
    ("Modes of kube-proxy", "network.rs", "ProxyMode"),
    ("Network plug-ins", "network.rs", "Cni"),
    ("Load balancers", "network.rs", "LoadBalancers"),
    ("Traffic", "traffic.rs", "TrafficText"),
    ("Rates", "traffic.rs", "RateText"),
    ("Metrics", "series.rs", "SeriesText"),
    ("Traces", "traces/mod.rs", "TraceText"),
    ("Steps of the script", "format.rs", "Step"),
    ("Resources of a resize", "resize.rs", "ResizeText"),
    ("Options of a drain", "format.rs", "DrainOptions"),
    ("Options of a rolling update", "format.rs", "RollingUpdateOptions"),
    ("Propagation", "format.rs", "PropagationText"),
    ("Expectations", "format.rs", "Expectation"),
    ("Claims", "format.rs", "Claim"),
];

/// The doc comment of an item on one line.
fn doc(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        if let Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let Expr::Lit(text) = &pair.value
            && let Lit::Str(text) = &text.lit
        {
            lines.push(text.value().trim().to_string());
        }
    }
    let text = lines.join(" ").trim().to_string();
    // What is of interest to readers of the source alone.
    let text = text.split(" Source: ").next().unwrap_or_default().replace(" ECS resource.", "");
    text.replace('|', "\\|").replace("  ", " ")
}

/// The value of `name = "..."` among the `serde` attributes.
fn serde(attributes: &[Attribute], name: &str) -> Option<String> {
    let mut found = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let _ = attribute.parse_nested_meta(|meta| {
            let value = meta.value().and_then(|value| value.parse::<syn::LitStr>()).map(|text| text.value());
            if meta.path.is_ident(name) {
                found = Some(value.unwrap_or_default());
            }
            Ok(())
        });
    }
    found
}

/// A name as the attribute `rename_all` has it written.
fn renamed(name: &str, how: Option<&str>) -> String {
    match how {
        Some("lowercase") => name.to_lowercase(),
        Some("camelCase") => {
            let mut parts = name.split('_');
            let first = parts.next().unwrap_or_default().to_string();
            parts.fold(first, |text, part| text + &part[..1].to_uppercase() + &part[1..])
        }
        _ => name.to_string(),
    }
}

/// A type in the words of those who write scenes.
fn kind(of: &Type) -> String {
    match of {
        Type::Tuple(tuple) => format!("({})", tuple.elems.iter().map(kind).collect::<Vec<_>>().join(", ")),
        Type::Path(path) => {
            let last = path.path.segments.last().unwrap();
            let inner: Vec<String> = match &last.arguments {
                PathArguments::AngleBracketed(list) => {
                    list.args.iter().filter_map(|arg| if let GenericArgument::Type(of) = arg { Some(kind(of)) } else { None }).collect()
                }
                _ => Vec::new(),
            };
            match last.ident.to_string().as_str() {
                "Option" | "Box" | "Arc" => inner[0].clone(),
                // Written as one text with commas.
                "Vec" if inner == ["Expander"] => "text".to_string(),
                "Vec" => format!("list of {}", inner[0]),
                "BTreeMap" => format!("{} by name", inner[1]),
                "String" => "text".to_string(),
                "bool" => "true or false".to_string(),
                "u8" | "u16" | "u32" | "u64" | "i32" | "i64" | "usize" | "f64" => "number".to_string(),
                "DurationText" | "SimDuration" => "time".to_string(),
                "SceneObject" => "object".to_string(),
                "Range" => "range of addresses".to_string(),
                "Outage" => "(time, time)".to_string(),
                other => match TYPES.iter().find(|(_, _, name)| *name == other) {
                    Some((title, ..)) => {
                        format!("[{}](#{})", title.to_lowercase(), title.to_lowercase().replace(' ', "-").replace('\'', ""))
                    }
                    None => other.to_string(),
                },
            }
        }
        _ => String::new(),
    }
}

fn fields(fields: &Fields, how: Option<&str>, out: &mut String) {
    for field in fields {
        let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        let name = serde(&field.attrs, "rename").unwrap_or_else(|| renamed(&name, how));
        writeln!(out, "| `{name}` | {} | {} |", kind(&field.ty), doc(&field.attrs)).unwrap();
    }
}

/// How a variant is written: its name, with what stands in its brackets.
fn written(name: &str, fields: &Fields) -> String {
    match fields {
        Fields::Unit => format!("`{name}`"),
        Fields::Unnamed(list) => format!("`{name}`({})", list.unnamed.iter().map(|field| kind(&field.ty)).collect::<Vec<_>>().join(", ")),
        Fields::Named(list) => {
            let field = |field: &syn::Field| {
                let said = doc(&field.attrs);
                let said = if said.is_empty() { String::new() } else { format!(" ({})", said.trim_end_matches('.')) };
                format!("`{}`: {}{said}", field.ident.as_ref().unwrap(), kind(&field.ty))
            };
            format!("`{name}`({})", list.named.iter().map(field).collect::<Vec<_>>().join(", "))
        }
    }
}

fn section(title: &str, file: &str, name: &str) -> String {
    let source = std::fs::read_to_string(root().join("engine/src/scene").join(file)).unwrap();
    let parsed = syn::parse_file(&source).unwrap();
    let mut out = format!("## {title}\n\n");
    for item in &parsed.items {
        match item {
            Item::Struct(item) if item.ident == name => {
                writeln!(out, "{}\n\n| field | | |\n|---|---|---|", doc(&item.attrs)).unwrap();
                fields(&item.fields, serde(&item.attrs, "rename_all").as_deref(), &mut out);
                return out;
            }
            Item::Enum(item) if item.ident == name => {
                writeln!(out, "{}\n\n| | |\n|---|---|", doc(&item.attrs)).unwrap();
                let how = serde(&item.attrs, "rename_all");
                for variant in &item.variants {
                    let variant_name = renamed(&variant.ident.to_string(), how.as_deref());
                    writeln!(out, "| {} | {} |", written(&variant_name, &variant.fields), doc(&variant.attrs)).unwrap();
                }
                return out;
            }
            _ => {}
        }
    }
    panic!("{file} has no type {name}");
}

#[test]
fn the_reference_is_what_the_types_say() {
    let mut page = String::from(
        "# Scenes, field by field\n\n\
         This page is made from the types that read a scene. A time is written as text, `\"1m30s\"`; every field may be left out unless it \
         makes no sense without. What the parts mean together stands in `scenes/README.md` of the repository.\n\n\
         ## A scene\n\n`Scene(...)` has these fields.\n\n| field | |\n|---|---|\n",
    );
    for (name, what) in FIELDS {
        writeln!(page, "| `{name}` | {what} |").unwrap();
    }
    for (title, file, name) in TYPES {
        write!(page, "\n{}", section(title, file, name)).unwrap();
    }
    holds("reference.md", &page);
}

/// All sources in a folder and in those inside it.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_type_that_a_scene_is_read_into_is_in_the_reference() {
    let shown: BTreeSet<&str> = TYPES.iter().map(|(_, _, name)| *name).collect();
    let mut files = Vec::new();
    sources(&root().join("engine/src/scene"), &mut files);
    assert!(files.iter().any(|file| file.ends_with("traces/mod.rs")), "{files:?}");
    // A KubeSchedulerConfiguration has the words of Kubernetes.
    for file in files.iter().filter(|file| !file.ends_with("scheduler_config/read.rs")) {
        let source = std::fs::read_to_string(file).unwrap();
        let file = file.display();
        for item in syn::parse_file(&source).unwrap().items {
            let (attributes, name) = match &item {
                Item::Struct(item) => (&item.attrs, item.ident.to_string()),
                Item::Enum(item) => (&item.attrs, item.ident.to_string()),
                _ => continue,
            };
            let mut read = false;
            let mut written = false;
            for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
                let _ = attribute.parse_nested_meta(|meta| {
                    read |= meta.path.segments.last().is_some_and(|last| last.ident == "Deserialize");
                    written |= meta.path.segments.last().is_some_and(|last| last.ident == "Serialize");
                    Ok(())
                });
            }
            // What is written too is the memory of a run, which checkpoints keep.
            assert!(!read || written || shown.contains(name.as_str()), "{file}: {name} is in no table of the reference");
        }
    }
}
