/** The texts of the built-in page in each language. English titles and sentences are those of the rejection. */

/** What a page is about. */
export type Topic =
  | 'maintenance'
  | 'stopped'
  | 'restarting'
  | 'unavailable'
  | 'too-large'
  | 'waiting';

type TitleAndDetail = readonly [title: string, detail: string];

export interface Phrases {
  /** Labels before a relative time, such as "2 minutes ago", with the punctuation of the language. */
  readonly since: string;
  readonly expectedEnd: string;
  readonly latestEnd: string;
  readonly reloads: string;
  readonly notProcessed: string;
  /** Undefined: the language of the rejection itself. */
  readonly topics?: Readonly<Record<Topic, TitleAndDetail>>;
}

export type Language = 'en' | 'de' | 'fr' | 'es' | 'bg' | 'pt' | 'ja';

export const PHRASES: Readonly<Record<Language, Phrases>> = {
  en: {
    since: 'Started: ',
    expectedEnd: 'Expected end: ',
    latestEnd: 'At the latest: ',
    reloads: 'This page reloads by itself.',
    notProcessed: 'What you sent was not processed. Please go back and send it again.',
  },
  de: {
    since: 'Beginn: ',
    expectedEnd: 'Voraussichtliches Ende: ',
    latestEnd: 'Spätestens: ',
    reloads: 'Diese Seite lädt sich von selbst neu.',
    notProcessed:
      'Ihre Eingaben wurden nicht verarbeitet. Bitte gehen Sie zurück und senden Sie sie erneut.',
    topics: {
      maintenance: ['Wartungsarbeiten', 'Dieser Dienst wird gerade gewartet.'],
      stopped: ['Außer Betrieb', 'Dieser Dienst ist zurzeit abgeschaltet.'],
      restarting: ['Neustart', 'Dieser Dienst wird neu gestartet und ist gleich wieder da.'],
      unavailable: ['Nicht erreichbar', 'Dieser Dienst ist im Moment nicht erreichbar.'],
      'too-large': [
        'Zu viele Daten',
        'Während der Wartung kann dieser Dienst so viele Daten nicht annehmen.',
      ],
      waiting: ['Einen Moment bitte', 'Dieser Dienst ist kurzzeitig nicht verfügbar.'],
    },
  },
  fr: {
    since: 'Début\u00a0: ',
    expectedEnd: 'Fin prévue\u00a0: ',
    latestEnd: 'Au plus tard\u00a0: ',
    reloads: 'Cette page se recharge automatiquement.',
    notProcessed:
      "Votre envoi n'a pas été traité. Veuillez revenir en arrière et l'envoyer de nouveau.",
    topics: {
      maintenance: ['Maintenance en cours', 'Ce service est en cours de maintenance.'],
      stopped: ['Hors service', 'Ce service est actuellement arrêté.'],
      restarting: ['Redémarrage', 'Ce service redémarre et sera de retour dans un instant.'],
      unavailable: ['Service injoignable', 'Ce service est injoignable pour le moment.'],
      'too-large': [
        'Trop de données',
        'Pendant la maintenance, ce service ne peut pas accepter autant de données.',
      ],
      waiting: ["Un instant, s'il vous plaît", 'Ce service est momentanément indisponible.'],
    },
  },
  es: {
    since: 'Inicio: ',
    expectedEnd: 'Fin previsto: ',
    latestEnd: 'A más tardar: ',
    reloads: 'Esta página se recarga automáticamente.',
    notProcessed: 'Los datos enviados no se han procesado. Vuelva atrás y envíelos de nuevo.',
    topics: {
      maintenance: ['En mantenimiento', 'Este servicio está en mantenimiento.'],
      stopped: ['Fuera de servicio', 'Este servicio está detenido en este momento.'],
      restarting: ['Reinicio', 'Este servicio se está reiniciando y volverá en unos instantes.'],
      unavailable: [
        'Servicio no disponible',
        'En este momento no se puede acceder a este servicio.',
      ],
      'too-large': [
        'Demasiados datos',
        'Durante el mantenimiento, este servicio no puede aceptar tantos datos.',
      ],
      waiting: ['Un momento, por favor', 'Este servicio no está disponible por unos instantes.'],
    },
  },
  bg: {
    since: 'Начало: ',
    expectedEnd: 'Очакван край: ',
    latestEnd: 'Най-късно: ',
    reloads: 'Тази страница се презарежда автоматично.',
    notProcessed:
      'Изпратените данни не бяха обработени. Моля, върнете се назад и ги изпратете отново.',
    topics: {
      maintenance: ['Техническа поддръжка', 'В момента се извършва поддръжка на тази услуга.'],
      stopped: ['Услугата не работи', 'Тази услуга е спряна в момента.'],
      restarting: ['Рестартиране', 'Услугата се рестартира и скоро ще бъде отново достъпна.'],
      unavailable: ['Няма връзка', 'В момента няма връзка с тази услуга.'],
      'too-large': [
        'Твърде много данни',
        'По време на поддръжката услугата не може да приеме толкова много данни.',
      ],
      waiting: ['Един момент, моля', 'Тази услуга е недостъпна за кратко.'],
    },
  },
  pt: {
    since: 'Início: ',
    expectedEnd: 'Fim previsto: ',
    latestEnd: 'O mais tardar: ',
    reloads: 'Esta página é recarregada automaticamente.',
    notProcessed: 'Os dados enviados não foram processados. Volte e envie-os novamente.',
    topics: {
      maintenance: ['Em manutenção', 'Este serviço está em manutenção.'],
      stopped: ['Fora de serviço', 'Este serviço está parado no momento.'],
      restarting: ['Reinício', 'Este serviço volta em instantes, após um reinício.'],
      unavailable: ['Serviço inacessível', 'Este serviço não está acessível no momento.'],
      'too-large': [
        'Dados em excesso',
        'Durante a manutenção, este serviço não pode aceitar tantos dados.',
      ],
      waiting: ['Um momento, por favor', 'Este serviço está indisponível por instantes.'],
    },
  },
  ja: {
    since: '開始: ',
    expectedEnd: '終了予定: ',
    latestEnd: '遅くとも: ',
    reloads: 'このページは自動的に再読み込みされます。',
    notProcessed:
      '送信された内容は処理されませんでした。前のページに戻って、もう一度送信してください。',
    topics: {
      maintenance: ['メンテナンス中', '現在、メンテナンスを行っています。'],
      stopped: ['停止中', 'このサービスは現在停止しています。'],
      restarting: ['再起動中', 'サービスを再起動しています。まもなく再開します。'],
      unavailable: ['接続できません', '現在、このサービスに接続できません。'],
      'too-large': [
        'データが大きすぎます',
        'メンテナンス中は、この大きさのデータを受け付けられません。',
      ],
      waiting: ['しばらくお待ちください', 'このサービスは一時的にご利用いただけません。'],
    },
  },
};

/** English first: the choice of a client that accepts every language. */
export const LANGUAGES = Object.keys(PHRASES) as readonly Language[];

/** "2 minutes ago", or "in 3 minutes" if `ms` is in the future. */
export function relativeTime(language: string, ms: number): string {
  const format = new Intl.RelativeTimeFormat(language);
  const seconds = Math.round(ms / 1000);
  if (Math.abs(seconds) < 60) return format.format(seconds, 'second');
  if (Math.abs(seconds) < 3600) return format.format(Math.round(seconds / 60), 'minute');
  return format.format(Math.round(seconds / 3600), 'hour');
}
