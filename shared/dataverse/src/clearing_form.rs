//! The forms in which the service takes the clearing of a lookup.

/// How a lookup is cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// `"primarycontactid@odata.bind": null` among the other values.
    #[default]
    Bind,
    /// `"primarycontactid": null` among the other values.
    Navigation,
    /// `DELETE …/primarycontactid/$ref`, a request of its own.
    Reference,
}

impl Form {
    pub const ALL: [Self; 3] = [Self::Bind, Self::Navigation, Self::Reference];

    /// The forms to try after this one.
    pub fn others(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |form| *form != self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f08_every_form_but_the_one_that_failed_is_tried() {
        assert_eq!(Form::Bind.others().collect::<Vec<_>>(), [Form::Navigation, Form::Reference]);
        assert_eq!(Form::Reference.others().collect::<Vec<_>>(), [Form::Bind, Form::Navigation]);
    }
}
