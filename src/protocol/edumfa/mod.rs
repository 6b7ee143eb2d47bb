//! eduMFA's protocol, which privacyIDEA shares: questions to `/validate/*` and their JSON answers.
