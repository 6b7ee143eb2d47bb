# Les pages du portail en français. Modèle : en.ftl.

## Partout

log-in-again = Se reconnecter
log-out = Se déconnecter
log-out-everywhere = Se déconnecter partout
try-again = Réessayer
fact-error = Erreur { $number }
fact-class = Catégorie
fact-reference = Référence

## Choix de la connexion

choice-title = Connexion
choice-expired = Votre session a expiré.
choice-intro = Choisissez comment vous connecter.
choice-entry = Se connecter avec { $choice }

## Les applications

menu-title = Vos applications
menu-user = Vous êtes connecté en tant que { $user }.
menu-empty = Aucune application n’est affichée ici.

## Déconnexion

logged-out-title = Vous êtes déconnecté
logged-out-here = Votre session dans ce navigateur est terminée.
logged-out-everywhere = Toutes vos sessions sont terminées, y compris dans d’autres navigateurs et sur d’autres appareils.
logged-out-return-refused = Le lien devait aussi vous renvoyer vers une adresse qui n’est pas autorisée ici. Vous restez donc sur cette page.
logged-out-master = Le système de connexion vous connaît peut-être encore et peut vous reconnecter sans rien demander. Sur un ordinateur partagé, déconnectez-vous aussi de ce système et fermez le navigateur.
confirm-title = Se déconnecter ?
confirm-foreign = Un autre site vous a envoyé ici pour vous déconnecter. Si ce n’était pas votre intention, restez connecté.
confirm-everywhere = Cela mettrait fin à toutes vos sessions, y compris dans d’autres navigateurs et sur d’autres appareils.
confirm-stay = Rester connecté

## Refus, selon les numéros d’erreur de LemonLDAP::NG

refused-help = Si cela se reproduit, indiquez la référence ci-dessous à votre administrateur.
error-other = Votre demande n’a pas pu être traitée.
    .title = Une erreur s’est produite
error-1 = Vous êtes resté inactif trop longtemps, ou votre connexion est trop ancienne. Veuillez vous reconnecter.
    .title = Votre session a expiré
error-4 = Le système de connexion n’a pas indiqué qui vous êtes.
    .title = La connexion a échoué
error-8 = Le portail ne peut pas vous répondre pour le moment. Veuillez réessayer dans une minute.
    .title = Momentanément indisponible
error-9 = Vous devez choisir comment vous connecter.
    .title = Veuillez choisir
error-37 = L’adresse de retour n’est pas valide.
    .title = Adresse de retour non valide
error-40 = Le système de connexion a transmis un nom d’utilisateur ou des informations sur vous qui ne sont pas valides ici.
    .title = La connexion a échoué
error-41 = Vous ne pouvez pas vous connecter ici pour le moment.
    .title = Connexion non autorisée
error-41-throttled = Trop de sessions ont été ouvertes en peu de temps. Veuillez attendre une minute.
    .title = Trop de connexions
error-47 = Votre session est terminée.
    .title = Vous êtes déconnecté
error-75 = Votre demande n’est pas passée par le système de connexion, ou celui-ci n’a pas pu prouver son identité.
    .title = La connexion n’a pas été acceptée
error-109 = L’adresse de retour n’est pas autorisée ici.
    .title = Adresse de retour non autorisée

## Le navigateur revient sans cesse sans le cookie de session

loop-title = Votre connexion ne tient pas
loop-intro = Vous avez été connecté plusieurs fois de suite, mais votre navigateur est chaque fois revenu de { $host } sans le cookie de session.
loop-heading-cause = La cause probable
loop-heading-user = Ce que vous pouvez faire
loop-heading-administrator = Ce que votre administrateur peut vérifier
loop-cookie-not-returned = Votre navigateur ne garde pas le cookie ou ne l’envoie pas à { $host }.
    .user = Autorisez les cookies pour { $host }, désactivez les extensions qui les bloquent, puis réessayez.
    .administrator = Rien entre le navigateur et { $host } ne doit supprimer les en-têtes Set-Cookie et Cookie. portal.domain et sessions.cookie.secured doivent convenir à l’adresse de la page.
loop-plain-http = Vous avez ouvert { $host } en http://, mais le cookie n’est envoyé qu’en https://.
    .user = Ouvrez de nouveau la page, avec https:// au début de son adresse.
    .administrator = Redirigez { $host } de http vers https, ou choisissez pour sessions.cookie.secured une valeur avec un cookie pour le HTTP non chiffré. Le proxy doit indiquer le schéma dans X-Forwarded-Proto.
loop-other-host = Le cookie est destiné à { $cookie-domain }, mais la page se trouve sur { $host } ; votre navigateur ne l’y envoie donc pas.
    .user = Indiquez la référence ci-dessous à votre administrateur ; un nouvel essai n’aidera probablement pas.
    .administrator = portal.domain doit être un domaine au-dessus du portail et de { $host }. S’il n’y en a pas, l’application a besoin d’un autre nom d’hôte.
loop-portal-over-http = Vous avez ouvert { $host } en http://, mais votre navigateur ne garde le cookie que s’il arrive en https://.
    .user = Ouvrez de nouveau la page, avec https:// au début de son adresse.
    .administrator = portal.url doit commencer par https://, et { $host } doit rediriger de http vers https. Pour du HTTP non chiffré uniquement, réglez sessions.cookie.secured sur 0.

## Le second facteur

factor-title = Un second facteur est nécessaire
factor-user = Vous êtes connecté en tant que { $user }.
factor-message = Votre serveur d’authentification indique :
factor-waiting = En attente de votre confirmation sur votre autre appareil. Cette page continue d’elle-même.
factor-not-confirmed = Aucune confirmation n’est arrivée à temps. Saisissez plutôt un mot de passe à usage unique, ou reconnectez-vous.
factor-otp = Mot de passe à usage unique, après votre code PIN si vous en avez un
factor-check = Vérifier
factor-refused = Cela n’a pas été accepté. Veuillez réessayer.
factor-throttled = Trop de tentatives. Veuillez patienter un moment, puis réessayer.

## Refus, sur l’hôte d’une application

denied-forbidden = Vous n’avez pas le droit d’ouvrir cette page.
    .title = Accès refusé
denied-master = Le système de connexion n’a pas pu s’identifier.
    .title = Accès refusé
denied-factor = Cette page demande une seconde preuve de votre identité.
    .title = Second facteur nécessaire
denied-request = La requête n’a pas été comprise. L’adresse est peut-être mal écrite.
    .title = Requête non comprise
denied-throttled = Trop de requêtes en peu de temps. Veuillez patienter une minute.
    .title = Veuillez patienter
denied-unavailable = L’accès ne peut pas être vérifié pour le moment. Veuillez réessayer dans une minute.
    .title = Temporairement indisponible
